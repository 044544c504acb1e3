import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { runtimeFolder } from '../../host/node/runtime-folder.ts';
import type { Fields } from '../../vm/qmp-arguments.ts';
import { QEMU_AGENT_SUFFIX } from '../agent.ts';
import { CliError, STATUS } from '../errors.ts';
import { quote } from '../values.ts';
import { NamedMachine } from './client.ts';

const ANSWER_MILLIS = 10_000;
/** Commands that are answered only when they fail, and how long that may take. */
const SILENT = /^guest-(shutdown|suspend-)/;
const SILENT_MILLIS = 2000;

/** What is said of a guest whose agent, of either kind, does not listen. */
export const NO_AGENT = 'the guest has no agent that runs';

interface Waiting extends PromiseWithResolvers<Fields> {
  /** No answer will come, for this reason. */
  readonly unanswered: (why: string) => void;
}

/** A conversation with QEMU's guest agent in the guest of a named machine. */
export class QemuAgent {
  readonly #name: string;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #text = '';

  private constructor(name: string, socket: Socket) {
    this.#name = name;
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const { unanswered } of this.#waiting.splice(0)) unanswered(NO_AGENT);
    });
  }

  /** @throws {CliError} the guest has no such agent, or it does not answer; no such machine runs */
  static async connect(name: string): Promise<QemuAgent> {
    await NamedMachine.requireRunning(name);
    const agent = new QemuAgent(name, createConnection(join(runtimeFolder(), `${name}${QEMU_AGENT_SUFFIX}`)));
    try {
      await agent.execute('guest-ping');
      return agent;
    } catch (error) {
      agent.close();
      throw error;
    }
  }

  /** Has a command executed. @throws {CliError} with the agent's words */
  async execute(command: string, given?: Fields): Promise<unknown> {
    const answer = Promise.withResolvers<Fields>();
    const isSilent = SILENT.test(command);
    const unanswered = (why: string) => (isSilent ? answer.resolve({ return: {} }) : answer.reject(this.#failure(why)));
    this.#waiting.push({ ...answer, unanswered });
    this.#socket.write(`${JSON.stringify({ execute: command, ...(given && { arguments: given }) })}\n`);
    const timer = setTimeout(unanswered, isSilent ? SILENT_MILLIS : ANSWER_MILLIS, 'its agent does not answer');
    const reply = await answer.promise.finally(() => clearTimeout(timer));
    if (reply.error !== undefined) throw this.#failure((reply.error as { desc: string }).desc);
    return reply.return;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const answer = this.#waiting.shift();
      try {
        answer?.resolve(JSON.parse(line.replace(/^\uFFFD+/, '')) as Fields);
      } catch {
        answer?.reject(this.#failure('its agent answers with what is no JSON'));
      }
    }
  }

  #failure(why: string): CliError {
    return new CliError(STATUS.failed, `${quote(this.#name)}: ${why}`);
  }
}
