import { WEB_WS_PORT } from '../config.js';
import { registerChannel } from './registry.js';
import { WebChannel } from './web.js';

registerChannel('web', (opts) => (WEB_WS_PORT ? new WebChannel(opts) : null));
