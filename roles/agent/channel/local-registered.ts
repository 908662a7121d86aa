/** NanoClaw 1.2 knows its channels by a registry. */
import { localChannel } from './local.js';
import { registerChannel } from './registry.js';

registerChannel('local', localChannel);
