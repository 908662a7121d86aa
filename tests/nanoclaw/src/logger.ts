import { CONTRACT } from './version.js';

/** Lines with a time but no date, always coloured; from v1.2 on, warnings and worse go to stderr. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };
type Level = keyof typeof LEVELS;
type Facts = Record<string, unknown>;

const COLOURS: Record<Level, string> = {
  debug: '\x1b[34m',
  info: '\x1b[32m',
  warn: '\x1b[33m',
  error: '\x1b[31m',
  fatal: '\x1b[41m\x1b[37m',
};
const threshold = LEVELS[(process.env.LOG_LEVEL ?? 'info') as Level] ?? LEVELS.info;

function shown(value: unknown): string {
  return value instanceof Error
    ? `{\n      "type": "${value.name}",\n      "message": "${value.message}"\n    }`
    : JSON.stringify(value);
}

function line(level: Level, facts: Facts, message: string): string {
  const time = new Date().toTimeString().slice(0, 8);
  const millis = String(new Date().getMilliseconds()).padStart(3, '0');
  const tag = `${COLOURS[level]}${level.toUpperCase()}\x1b[${level === 'fatal' ? '0' : '39'}m`;
  const rest = Object.entries(facts).map(([k, v]) => `\n    \x1b[35m${k}\x1b[39m: ${shown(v)}`);
  const head = `[${time}.${millis}] ${tag} (${process.pid}): \x1b[36m${message}\x1b[39m`;
  return `${head}${rest.join('')}\n`;
}

function at(level: Level) {
  return (facts: Facts | string, message = ''): void => {
    if (LEVELS[level] < threshold) return;
    const aside = CONTRACT === 'v1.2' && LEVELS[level] >= LEVELS.warn;
    const stream = aside ? process.stderr : process.stdout;
    stream.write(typeof facts === 'string' ? line(level, {}, facts) : line(level, facts, message));
  };
}

export const logger = {
  debug: at('debug'),
  info: at('info'),
  warn: at('warn'),
  error: at('error'),
  fatal: at('fatal'),
};

process.on('uncaughtException', (err) => {
  logger.fatal({ err }, 'Uncaught exception');
  process.exit(1);
});
// A channel that cannot connect ends here, and the process with status 0 when nothing else is open.
process.on('unhandledRejection', (err) => logger.error({ err }, 'Unhandled rejection'));
