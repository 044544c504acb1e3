import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, STATUS } from '../errors.ts';
import { quote } from '../values.ts';
import { type GuestCommand, SIGNAL_STATUS } from './agent-session.ts';
import { QemuAgent } from './qemu-agent.ts';

// QEMU documentation, "QEMU Guest Agent Protocol Reference": guest-exec, guest-exec-status, guest-file-*.

/** What is read and written at once. */
const PIECE_BYTES = 1 << 18;
const [FIRST_POLL_MILLIS, LAST_POLL_MILLIS] = [10, 250];
/** Streams of a command are files of a folder ($0), which its words have no part in. */
const RUN = 'exec "$@" < "$0/in" > "$0/out" 2> "$0/err"';
const MAKE_FOLDER = 'folder=$(mktemp -d) && : > "$folder/in" && echo "$folder"';

interface Status {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
}

/** A file of the guest that is read while a command writes it. */
interface Stream {
  readonly handle: number;
  readonly to: Writable;
}

/** A conversation with QEMU's guest agent: a command's input is there before it starts, its output is read while it comes. */
export class QemuAgentSession {
  readonly #name: string;
  readonly #agent: QemuAgent;
  /** How the command has ended: the agent tells it once. */
  #ended: Status | undefined;

  private constructor(name: string, agent: QemuAgent) {
    this.#name = name;
    this.#agent = agent;
  }

  /** @throws {CliError} the guest has no such agent, or it does not answer */
  static async connect(name: string): Promise<QemuAgentSession> {
    return new QemuAgentSession(name, await QemuAgent.connect(name));
  }

  /** Runs a command. @returns its exit status, as a shell gives it  @throws {CliError} the agent refuses or ends */
  async run({ words, input, output, messages }: GuestCommand): Promise<number> {
    const folder = await this.#makeFolder();
    try {
      if (input && !('isTTY' in input && input.isTTY)) await this.#writeFile(`${folder}/in`, input);
      const pid = await this.#start(['-c', RUN, folder, ...words], false);
      const streams: Stream[] = [];
      for (const [file, to] of [['out', output] as const, ['err', messages] as const]) {
        streams.push({ handle: await this.#openWhenThere(`${folder}/${file}`, pid), to });
      }
      const status = await this.#follow(streams, pid);
      for (const { handle } of streams) await this.#agent.execute('guest-file-close', { handle });
      return status;
    } finally {
      await this.#start(['-c', 'rm -rf -- "$0"', folder], false).catch(() => {});
    }
  }

  close(): void {
    this.#agent.close();
  }

  async #start(words: readonly string[], captures: boolean): Promise<number> {
    const given = { path: '/bin/sh', arg: words, 'capture-output': captures };
    return ((await this.#agent.execute('guest-exec', given)) as { pid: number }).pid;
  }

  async #status(pid: number): Promise<Status> {
    const status = this.#ended ?? ((await this.#agent.execute('guest-exec-status', { pid })) as Status);
    if (status.exited) this.#ended = status;
    return status;
  }

  async #makeFolder(): Promise<string> {
    const pid = await this.#start(['-c', MAKE_FOLDER], true);
    for (;;) {
      const { exited, exitcode, 'out-data': data = '' } = await this.#status(pid);
      const folder = atob(data).trim();
      if (exited && (exitcode !== 0 || folder === '')) {
        throw new CliError(STATUS.failed, `${quote(this.#name)}: the guest has no place for temporary files`);
      }
      if (exited) {
        this.#ended = undefined;
        return folder;
      }
      await sleep(FIRST_POLL_MILLIS);
    }
  }

  async #writeFile(path: string, input: Readable): Promise<void> {
    const handle = (await this.#agent.execute('guest-file-open', { path, mode: 'w' })) as number;
    for await (const chunk of input) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        const piece = Buffer.from(chunk).subarray(at, at + PIECE_BYTES);
        await this.#agent.execute('guest-file-write', { handle, 'buf-b64': piece.toString('base64') });
      }
    }
    await this.#agent.execute('guest-file-close', { handle });
  }

  /** Opens a file that the command's shell makes before anything else. */
  async #openWhenThere(path: string, pid: number): Promise<number> {
    // A shell that has ended since may have made the file too: it is opened once more.
    for (let hasEnded = false; ; ) {
      try {
        return (await this.#agent.execute('guest-file-open', { path, mode: 'r' })) as number;
      } catch (error) {
        if (hasEnded) throw error;
        hasEnded = (await this.#status(pid)).exited;
        if (!hasEnded) await sleep(FIRST_POLL_MILLIS);
      }
    }
  }

  /** Passes on what comes until the command has ended and all is read. */
  async #follow(streams: readonly Stream[], pid: number): Promise<number> {
    let pause = FIRST_POLL_MILLIS;
    for (;;) {
      const { exited, exitcode = 0, signal } = await this.#status(pid);
      let count = 0;
      for (const stream of streams) count += await this.#passOn(stream);
      if (exited && count === 0) return signal === undefined ? exitcode : SIGNAL_STATUS + signal;
      pause = count > 0 ? FIRST_POLL_MILLIS : Math.min(2 * pause, LAST_POLL_MILLIS);
      if (count === 0) await sleep(pause);
    }
  }

  async #passOn({ handle, to }: Stream): Promise<number> {
    const read = await this.#agent.execute('guest-file-read', { handle, count: PIECE_BYTES });
    const { count, 'buf-b64': data } = read as { count: number; 'buf-b64': string };
    if (count > 0) await new Promise<void>((resolve) => to.write(Buffer.from(data, 'base64'), () => resolve()));
    return count;
  }
}
