import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { runtimeFolder } from '../../host/node/runtime-folder.ts';
import {
  decodeCredit,
  encodeCredit,
  encodeFrame,
  FIRST_CREDIT_BYTES,
  FRAME,
  type Frame,
  FrameReader,
  MOST_FRAME_BYTES,
} from '../../vm/agent/frames.ts';
import { AGENT_SUFFIX } from '../agent.ts';
import { CliError, STATUS } from '../errors.ts';
import { quote } from '../values.ts';
import { NamedMachine } from './client.ts';

const ANSWER_MILLIS = 5000;
/** What has been taken of the output before more is asked for. */
const CREDIT_STEP_BYTES = 1 << 18;
/** What a shell adds to the number of the signal that ended a command. */
export const SIGNAL_STATUS = 128;

/** A command for the guest, and what it is connected to. */
export interface GuestCommand {
  readonly words: readonly string[];
  readonly input?: Readable;
  readonly output: Writable;
  readonly messages: Writable;
}

/** A conversation with the agent of a machine's guest, which listens. */
export class AgentSession {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #ended = Promise.withResolvers<number>();
  #command: GuestCommand | undefined;
  #credit = FIRST_CREDIT_BYTES;
  #moreCredit: (() => void) | undefined;
  #takenBytes = 0;
  #writes: Promise<unknown> = Promise.resolve();

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#ended.promise.catch(() => {}); // it may end before anybody waits
  }

  /** @throws {CliError} the agent does not listen, or no such machine runs */
  static async connect(name: string): Promise<AgentSession> {
    await NamedMachine.requireRunning(name);
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const failure = (why: string) => new CliError(STATUS.failed, `${quote(name)}: ${why}`);
    const fail = (why: string) => reject(failure(why));
    const socket = createConnection(join(runtimeFolder(), `${name}${AGENT_SUFFIX}`));
    const session = new AgentSession(socket);
    const timer = setTimeout(fail, ANSWER_MILLIS, "the guest's agent does not answer");
    socket.on('error', () => fail('the machine has no channel to an agent in its guest'));
    socket.on('close', () => session.#ended.reject(failure('the machine has ended')));
    socket.on('data', (bytes: Uint8Array) => {
      for (const frame of session.#reader.push(bytes)) {
        if (frame.type === FRAME.ready) resolve();
        else if (frame.type === FRAME.refused) {
          const why = new TextDecoder().decode(frame.payload);
          fail(why);
          session.#ended.reject(failure(why));
        } else session.#take(frame);
      }
    });
    try {
      await ready;
      return session;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs a command. It is hung up when the session is closed before. @returns its exit status, as a shell gives it
   * @throws {CliError} the machine ends before, or the guest restarts */
  async run(command: GuestCommand): Promise<number> {
    this.#command = command;
    const words = new TextEncoder().encode(command.words.map((word) => `${word}\0`).join(''));
    if (words.length > MOST_FRAME_BYTES) throw new CliError(STATUS.usage, 'exec: the command is longer than 64 KiB');
    this.#send(FRAME.start, words);
    const feeding = this.#feed(command.input);
    feeding.catch(this.#ended.reject);
    const status = await this.#ended.promise;
    await this.#writes;
    return status;
  }

  close(): void {
    this.#command?.input?.destroy();
    this.#socket.destroy();
  }

  #send(type: number, payload: Uint8Array): void {
    this.#socket.write(encodeFrame({ type, id: 0, payload }));
  }

  async #feed(input: Readable | undefined): Promise<void> {
    for await (const chunk of input ?? []) {
      for (let at = 0; at < chunk.length; ) {
        while (this.#credit === 0) await new Promise<void>((resolve) => (this.#moreCredit = resolve));
        const piece = (chunk as Uint8Array).subarray(at, at + Math.min(this.#credit, MOST_FRAME_BYTES));
        this.#credit -= piece.length;
        at += piece.length;
        this.#send(FRAME.input, piece);
      }
    }
    this.#send(FRAME.input, new Uint8Array(0));
  }

  #take(frame: Frame): void {
    const command = this.#command;
    if (frame.type === FRAME.output && command) this.#write(command.output, frame.payload);
    else if (frame.type === FRAME.messages && command) this.#write(command.messages, frame.payload);
    else if (frame.type === FRAME.credit) {
      this.#credit += decodeCredit(frame);
      this.#moreCredit?.();
    } else if (frame.type === FRAME.ended) {
      const [how, number] = new TextDecoder().decode(frame.payload).split(' ');
      this.#ended.resolve(how === 'signal' ? SIGNAL_STATUS + Number(number) : Number(number));
    }
  }

  /** Passes bytes on, and asks for more when they have been taken. */
  #write(to: Writable, bytes: Uint8Array): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writes = Promise.all([this.#writes, promise]);
    to.write(bytes, () => {
      this.#takenBytes += bytes.length;
      if (this.#takenBytes >= CREDIT_STEP_BYTES) {
        this.#send(FRAME.credit, encodeCredit(this.#takenBytes));
        this.#takenBytes = 0;
      }
      resolve();
    });
  }
}
