import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { SerialShell, ShellError } from './serial-shell.ts';

/** Runs a command by a shell of this host, whose input and output stand for the line: one that does not read ahead of what
 * it does, as no shell does on a terminal. */
async function runHere(words: readonly string[], input?: Uint8Array) {
  const child = spawn('bash', [], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdout.setEncoding('latin1');
  const line = {
    type: (text: string) => void child.stdin.write(text),
    onOutput: (listen: (text: string) => void) => void child.stdout.on('data', listen),
  };
  const shell = new SerialShell(line, 'nonce');
  await shell.greet();
  const [output, messages] = [new PassThrough(), new PassThrough()];
  const [said, complained] = [buffer(output), buffer(messages)];
  const status = await shell.run({ words, input: input && Readable.from([input]), output, messages });
  output.end();
  messages.end();
  child.stdin.end('echo after; exit 9\n');
  const [exit] = await once(child, 'close');
  assert.equal(exit, 9, 'the shell is left as it was');
  return { status, output: await said, messages: (await complained).toString() };
}

describe('a shell on a serial line', () => {
  it('runs commands with output, messages and status apart', async () => {
    const words = ['sh', '-c', 'cat; echo "$1" >&2; exit 7', 'sh', "it's $x\n"];
    const { status, output, messages } = await runHere(words, Buffer.from('in'));
    assert.deepEqual([status, output.toString(), messages], [7, 'in', "it's $x\n\n"]);
  });

  it('carries any bytes both ways', async () => {
    const bytes = randomBytes(50_000);
    assert.deepEqual((await runHere(['cat'], bytes)).output, bytes);
  });

  it('tells of signals and of missing commands as shells do', async () => {
    assert.equal((await runHere(['sh', '-c', 'kill -TERM $$'])).status, 143);
    assert.equal((await runHere(['no-such-program'])).status, 127);
  });

  it('does not wait for input that the command does not take', async () => {
    assert.equal((await runHere(['true'], randomBytes(20_000))).status, 0);
  });

  it('refuses what others have written into, and commands that are too long', async () => {
    let say = (_text: string) => {};
    const onOutput = (listen: typeof say) => {
      say = listen;
    };
    const shell = new SerialShell({ type: () => {}, onOutput }, 'nonce');
    const streams = { output: new PassThrough(), messages: new PassThrough() };
    await assert.rejects(shell.run({ words: ['x'.repeat(20_000)], ...streams }), ShellError);
    const run = shell.run({ words: ['true'], ...streams });
    say('@nonce:O8 YWJj[ 12.3] kernel\r\n');
    await assert.rejects(run, /something else was written/);
  });
});
