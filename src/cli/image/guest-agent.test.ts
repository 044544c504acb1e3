import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { concatenate } from '../../base/bytes.ts';
import {
  encodeCredit,
  encodeFrame,
  FIRST_CREDIT_BYTES,
  FRAME,
  type Frame,
  FrameReader,
} from '../../vm/agent/frames.ts';
import { AGENT_PROGRAM } from './guest-agent.ts';

const hasPerl = spawnSync('perl', ['-e', '1']).status === 0;
const text = new TextEncoder();

/** The agent as a process of this host, on a socket instead of its port. */
class Agent {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly frames: Frame[] = [];
  #waiting: (() => void)[] = [];

  /** @param perl the interpreter, by a shell's words */
  constructor(program: string, perl = 'perl') {
    const start = ['-c', `exec ${perl} "$1" - <&3 3<&-`, 'sh', program];
    this.#child = spawn('sh', start, { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
    this.#socket = this.#child.stdio[3] as Socket;
    this.#socket.on('data', (bytes: Uint8Array) => {
      this.frames.push(...this.#reader.push(bytes));
      for (const goOn of this.#waiting.splice(0)) goOn();
    });
    this.#socket.resume();
  }

  send(type: number, id: number, payload: Uint8Array | string = ''): void {
    this.#socket.write(
      encodeFrame({ type, id, payload: typeof payload === 'string' ? text.encode(payload) : payload }),
    );
  }

  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Waits until something is found in what has come. */
  async until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  of(type: number, id: number): Uint8Array {
    return concatenate(
      this.frames.filter((frame) => frame.type === type && frame.id === id).map(({ payload }) => payload),
    );
  }

  textOf(type: number, id: number): string {
    return new TextDecoder().decode(this.of(type, id));
  }

  ended(id: number): Promise<string> {
    return this.until(() => this.textOf(FRAME.ended, id) || undefined);
  }

  close(): void {
    this.#socket.end();
  }
}

describe("the guest's agent", { skip: hasPerl ? false : 'there is no perl on this host' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-agent-'));
  const program = join(folder, 'agent');
  let agent: Agent;

  before(() => {
    writeFileSync(program, AGENT_PROGRAM);
    agent = new Agent(program);
  });
  after(() => {
    agent.close();
    rmSync(folder, { recursive: true });
  });

  it('answers with the nonce, after half a frame and padding', async () => {
    agent.sendRaw(Uint8Array.of(FRAME.input, 7, 0, 0, 0, 0, 0));
    agent.sendRaw(new Uint8Array((1 << 16) + 64));
    agent.send(FRAME.reset, 0, 'nonce');
    assert.equal(await agent.until(() => agent.textOf(FRAME.hello, 0) || undefined), 'nonce');
  });

  it('notices that a command has ended where no signal tells it', async () => {
    const deaf = new Agent(
      program,
      `perl -MPOSIX -e 'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGCHLD)); exec @ARGV' perl`,
    );
    try {
      deaf.send(FRAME.start, 1, 'sh\0-c\0exec >&- 2>&-; sleep 0.2; exit 7\0');
      assert.equal(await deaf.ended(1), 'exit 7');
    } finally {
      deaf.close();
    }
  });

  it('keeps output, messages and status of commands apart', async () => {
    agent.send(FRAME.start, 1, 'sh\0-c\0echo out; echo err >&2; exit 7\0');
    agent.send(FRAME.start, 2, 'printf\0%s|\0a  b\0\0c\nd\0');
    agent.send(FRAME.start, 3, 'sh\0-c\0kill -9 $$\0');
    agent.send(FRAME.start, 4, 'no-such-program\0');
    assert.deepEqual(await Promise.all([1, 2, 3, 4].map((id) => agent.ended(id))), [
      'exit 7',
      'exit 0',
      'signal 9',
      'exit 127',
    ]);
    assert.deepEqual([agent.textOf(FRAME.output, 1), agent.textOf(FRAME.messages, 1)], ['out\n', 'err\n']);
    assert.equal(agent.textOf(FRAME.output, 2), 'a  b||c\nd|');
    assert.equal(agent.textOf(FRAME.messages, 4), 'no-such-program: No such file or directory\n');
  });

  it('feeds a command and gives credit for what it has read', async () => {
    agent.send(FRAME.start, 10, 'wc\0-c\0');
    for (let piece = 0; piece < 32; piece++) agent.send(FRAME.input, 10, new Uint8Array(1 << 15));
    await agent.until(() => (agent.of(FRAME.credit, 10).length >= 8 ? true : undefined));
    agent.send(FRAME.input, 10);
    await agent.ended(10);
    assert.equal(agent.textOf(FRAME.output, 10).trim(), `${1 << 20}`);
  });

  it('sends no more than it was given credit for, and the rest when it gets more', async () => {
    agent.send(FRAME.start, 20, 'head\0-c\0' + '3000000\0/dev/zero\0');
    await agent.until(() => (agent.of(FRAME.output, 20).length >= FIRST_CREDIT_BYTES ? true : undefined));
    agent.send(FRAME.start, 21, 'true\0');
    await agent.ended(21);
    assert.equal(agent.of(FRAME.output, 20).length, FIRST_CREDIT_BYTES);
    agent.send(FRAME.credit, 20, encodeCredit(10_000_000));
    await agent.ended(20);
    assert.equal(agent.of(FRAME.output, 20).length, 3_000_000);
  });

  it('does not wait for others who hold the output of a command that has ended', async () => {
    agent.send(FRAME.start, 30, 'sh\0-c\0sleep 100 & echo $!\0');
    assert.equal(await agent.ended(30), 'exit 0');
    process.kill(Number(agent.textOf(FRAME.output, 30)));
  });

  it('survives a command that reads nothing', async () => {
    agent.send(FRAME.start, 40, 'true\0');
    for (let piece = 0; piece < 32; piece++) agent.send(FRAME.input, 40, new Uint8Array(1 << 15));
    agent.send(FRAME.input, 40);
    assert.equal(await agent.ended(40), 'exit 0');
  });

  it('hangs up', async () => {
    // A shell tells of its child's end, to where nobody listens any more, before it looks at its own traps.
    agent.send(
      FRAME.start,
      50,
      'sh\0-c\0exec 2>/dev/null; trap "echo hung up > gone; exit" HUP; echo ready; while :; do sleep 0.1; done\0'.replace(
        'gone',
        join(folder, 'gone'),
      ),
    );
    await agent.until(() => agent.textOf(FRAME.output, 50) || undefined);
    agent.send(FRAME.hangUp, 50);
    agent.send(FRAME.start, 51, `sh\0-c\0while [ ! -s ${join(folder, 'gone')} ]; do sleep 0.1; done\0`);
    assert.equal(await agent.ended(51), 'exit 0');
    assert.equal(agent.textOf(FRAME.ended, 50), '');
  });
});
