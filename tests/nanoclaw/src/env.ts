import fs from 'node:fs';
import path from 'node:path';

/**
 * Return the named keys of `.env`: never exported to process.env; comments, one layer of quotes, no
 * `export`, no inline comments, no value over several lines.
 */
export function readEnvFile(keys: string[]): Record<string, string> {
  let text: string;
  try {
    text = fs.readFileSync(path.join(process.cwd(), '.env'), 'utf8');
  } catch {
    return {};
  }
  const found: Record<string, string> = {};
  for (const line of text.split('\n').map((one) => one.trim())) {
    const [, key, raw] = /^([^#=][^=]*)=(.*)$/.exec(line) ?? [];
    if (!key || !keys.includes(key.trim())) continue;
    const value = raw.trim().replace(/^(["'])(.*)\1$/, '$2');
    if (value) found[key.trim()] = value;
  }
  return found;
}
