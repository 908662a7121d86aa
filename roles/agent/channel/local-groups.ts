/** The groups that the operator's channel speaks for: its own one, and those made for it. */
import fs from 'fs';
import path from 'path';

import { ASSISTANT_NAME, GROUPS_DIR } from '../config.js';
import { setRegisteredGroup } from '../db.js';
import { logger } from '../logger.js';
import type { RegisteredGroup } from '../types.js';

export const PREFIX = 'local:';
export const OPERATOR = `${PREFIX}operator`;

/** Narrower than upstream's: a Mac's disk does not tell capitals, nor a run's name _ from -. */
const FOLDER = /^[a-z0-9][a-z0-9-]{0,62}$/;

type Registered = Record<string, RegisteredGroup>;

export class Groups {
  private registered: () => Registered;

  constructor(registered: () => Registered) {
    this.registered = registered;
  }

  of(jid: string): RegisteredGroup | undefined {
    return this.registered()[jid];
  }

  /**
   * The operator's chat is a group like any other: the main one only when there is none, since
   * main has more rights.
   */
  registerOperator(): void {
    if (this.of(OPERATOR)) return;
    const taken = Object.values(this.registered()) as Array<
      RegisteredGroup & { isMain?: boolean }
    >;
    const main = !this.owner('main') && !taken.some((group) => group.isMain);
    let folder = main ? 'main' : 'operator';
    for (let n = 2; this.owner(folder); n++) folder = `operator-${n}`;
    this.register(OPERATOR, folder, 'Operator', main);
  }

  /** The JID of the group that a frame names (none: the operator's), or why there is none. */
  named(group: unknown, create: boolean): { jid: string } | { reason: string } {
    if (group === undefined || group === null) return { jid: OPERATOR };
    const folder = String(group);
    const owner = this.owner(folder);
    if (owner?.startsWith(PREFIX)) return { jid: owner };
    if (owner) {
      return { reason: `group "${folder}" is of ${owner}, where its answers go` };
    }
    if (!create) {
      return { reason: `there is no group "${folder}"; this channel has ${this.own()}` };
    }
    const jid = `${PREFIX}${folder}`;
    if (!FOLDER.test(folder) || folder === 'global' || this.of(jid)) {
      return {
        reason: `"${folder}" cannot be made a group: small letters, digits and -, not taken`,
      };
    }
    this.register(jid, folder, folder, false);
    return { jid };
  }

  private own(): string {
    const groups = Object.entries(this.registered());
    const own = groups.filter(([jid]) => jid.startsWith(PREFIX));
    return own.map(([, group]) => group.folder).join(', ');
  }

  /** Whose a group's folder is, by its JID. */
  private owner(folder: string): string | undefined {
    const groups = Object.entries(this.registered());
    const same = (each: string) => each.toLowerCase() === folder.toLowerCase();
    return groups.find(([, group]) => same(group.folder))?.[0];
  }

  /** Only for a folder that nobody has: upstream's table replaces a row of the same folder. */
  private register(
    jid: string,
    folder: string,
    name: string,
    main: boolean,
  ): void {
    const group = {
      name,
      folder,
      trigger: `@${ASSISTANT_NAME}`,
      added_at: new Date().toISOString(),
      requiresTrigger: false,
      isMain: main || undefined,
    };
    const home = path.join(GROUPS_DIR, folder);
    fs.mkdirSync(path.join(home, 'logs'), { recursive: true });
    const memory = path.join(home, 'CLAUDE.md');
    const template = path.join(GROUPS_DIR, 'global', 'CLAUDE.md');
    if (!fs.existsSync(memory) && fs.existsSync(template)) {
      fs.copyFileSync(template, memory);
    }
    setRegisteredGroup(jid, group);
    this.registered()[jid] = group;
    logger.info({ jid, folder }, 'Local channel registered its group');
  }
}
