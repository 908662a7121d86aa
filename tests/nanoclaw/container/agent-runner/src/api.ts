/** POST /v1/messages, through the proxy of the environment when there is one. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';

export interface Block {
  type: 'text' | 'tool_use' | 'tool_result';
  text?: string;
  id?: string;
  name?: string;
  input?: Record<string, unknown>;
  tool_use_id?: string;
  content?: string;
}

export interface Message {
  role: 'user' | 'assistant';
  content: string | Block[];
}

type Environment = Record<string, string | undefined>;
type Reply = { status: number; text: string };

const DEFAULT_URL = 'https://api.anthropic.com';
export const INVALID_KEY = 'Invalid API key · Fix external API key';
const OVERLOADED = 529;

/** Return what the model says, or the sentence that stands for an error. */
export async function post(
  environment: Environment,
  headers: Record<string, string>,
  body: unknown,
  signal: AbortSignal,
): Promise<Block[] | string> {
  const url = new URL('/v1/messages', environment.ANTHROPIC_BASE_URL || DEFAULT_URL);
  let reply: Reply;
  try {
    reply = await send(url, proxyFor(url, environment), headers, JSON.stringify(body), signal);
  } catch (err) {
    const { code, message } = err as NodeJS.ErrnoException;
    return `API Error: Unable to connect to API (${code ?? message})`;
  }
  if (reply.status === 200) return JSON.parse(reply.text).content as Block[];
  if (reply.status === 401) return INVALID_KEY;
  if (reply.status === OVERLOADED) return 'API Error: Repeated 529 Overloaded errors';
  return `API Error: ${reply.status} ${reply.text}`;
}

function proxyFor(url: URL, environment: Environment): URL | null {
  const exempt = (environment.no_proxy ?? environment.NO_PROXY ?? '').split(',');
  if (exempt.some((one) => one && url.hostname.endsWith(one.trim()))) return null;
  const found = environment.https_proxy ?? environment.HTTPS_PROXY;
  return found && url.protocol === 'https:' ? new URL(found) : null;
}

function send(
  url: URL,
  proxy: URL | null,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const ask = (socket?: net.Socket) => {
      const options = {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
        signal,
        // An agent would dial by itself, whatever createConnection there is.
        ...(socket
          ? { createConnection: () => tls.connect({ socket, servername: url.hostname }) }
          : { agent: false as const }),
      };
      const request = (url.protocol === 'https:' ? https : http).request(url, options);
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          // A tunnel left open would keep this process from its end.
          socket?.destroy();
          resolve({ status: response.statusCode ?? 0, text });
        });
        response.on('error', reject);
      });
      request.end(body);
    };
    if (!proxy) {
      ask();
      return;
    }
    const target = `${url.hostname}:${url.port || 443}`;
    const tunnel = http.request({
      host: proxy.hostname,
      port: proxy.port,
      method: 'CONNECT',
      path: target,
      headers: { host: target },
      agent: false,
      signal,
    });
    tunnel.on('error', reject);
    tunnel.on('connect', (response, socket) => {
      if (response.statusCode === 200) ask(socket as net.Socket);
      else reject(new Error(`proxy answered ${response.statusCode}`));
    });
    tunnel.end();
  });
}
