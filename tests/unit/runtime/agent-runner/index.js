// An agent-runner of v1's contract without a model: it answers at once, and does what it is told.
// A prompt `eval: <expression>` is answered with the expression's value as JSON; `exit: <n>` ends
// with that status, `abort: <signal>` by that signal; any other prompt is answered with its length.
import * as childProcess from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'

const INPUT = '/workspace/ipc/input'
const CLOSE = `${INPUT}/_close`
const HOME = '/home/node'
const session = 'session-' + process.pid

function say(output) {
  console.log('---NANOCLAW_OUTPUT_START---')
  console.log(JSON.stringify(output))
  console.log('---NANOCLAW_OUTPUT_END---')
}

function readAll() {
  const chunks = []
  return new Promise((done) => {
    process.stdin.on('data', (chunk) => chunks.push(chunk))
    process.stdin.on('end', () => done(Buffer.concat(chunks).toString()))
  })
}

async function answer(prompt, input) {
  const [word] = prompt.split(':', 1)
  const rest = prompt.slice(word.length + 1).trim()
  switch (word) {
    case 'exit':
      process.exit(Number(rest))
    case 'abort':
      process.kill(process.pid, rest)
      return await new Promise(() => {})
    case 'eval': {
      const tools = { fs, os, childProcess, input, HOME, run: '/workspace' }
      const names = Object.keys(tools)
      const value = await new Function(...names, `return (async () => (${rest}))()`)(
        ...names.map((name) => tools[name]),
      )
      return JSON.stringify(value ?? null)
    }
    default:
      return `${Buffer.byteLength(prompt)} bytes: ${prompt.slice(0, 200)}`
  }
}

function nextMessage() {
  return new Promise((done) => {
    const look = () => {
      if (fs.existsSync(CLOSE)) {
        fs.unlinkSync(CLOSE)
        return done(null)
      }
      for (const name of fs.readdirSync(INPUT).sort()) {
        if (!name.endsWith('.json')) continue
        const text = JSON.parse(fs.readFileSync(`${INPUT}/${name}`, 'utf8')).text
        fs.unlinkSync(`${INPUT}/${name}`)
        return done(text)
      }
      setTimeout(look, 50)
    }
    look()
  })
}

let input
try {
  input = JSON.parse(await readAll())
} catch (error) {
  say({ status: 'error', result: null, error: `no JSON on stdin: ${error.message}` })
  process.exit(1)
}
try {
  fs.unlinkSync(CLOSE)
} catch {
  // There was none.
}
console.error('[agent-runner] started')
say({ status: 'success', result: null, newSessionId: session })
for (let prompt = input.prompt; prompt !== null; prompt = await nextMessage()) {
  try {
    say({ status: 'success', result: await answer(prompt, input), newSessionId: session })
  } catch (error) {
    say({ status: 'error', result: null, error: String(error?.stack ?? error) })
    process.exit(1)
  }
}
