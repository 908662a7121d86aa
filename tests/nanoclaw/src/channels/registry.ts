import type { Channel, ChannelOpts } from '../types.js';

/** Makes a channel; null when its credentials are missing. */
export type ChannelFactory = (opts: ChannelOpts) => Channel | null;

export const factories = new Map<string, ChannelFactory>();

export function registerChannel(name: string, factory: ChannelFactory): void {
  factories.set(name, factory);
}
