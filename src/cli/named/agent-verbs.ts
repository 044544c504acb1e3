import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fields } from '../../vm/qmp-arguments.ts';
import { CliError, STATUS, UsageError } from '../errors.ts';
import { whyUnreadable } from '../files.ts';
import { parseSeconds, quote } from '../values.ts';
import { AgentSession, type GuestCommand } from './agent-session.ts';
import { NamedMachine } from './client.ts';
import { CollectedText } from './collected-text.ts';
import { QemuAgent } from './qemu-agent.ts';
import { QemuAgentSession } from './qemu-agent-session.ts';
import { SerialSession } from './serial-session.ts';

/** A place that `cp` is told: `NAME:PATH` in a guest, or a path of the host. */
type Place =
  | { readonly machine: string; readonly path: string }
  | { readonly machine?: undefined; readonly path: string };

const GUEST_PLACE = /^([a-z][a-z0-9-]*):(.*)$/is;
/** Writes its input to file $1, or into the folder $1 under the name $2, with the permissions $3. */
const STORE = 'if [ -d "$1" ]; then set -- "$1/$2" "$2" "$3"; fi; cat > "$1" && chmod "$3" "$1"';
/** Gives file $1. */
const FETCH = 'if [ -d "$1" ]; then echo "$1: Is a directory" >&2; exit 1; fi; exec cat -- "$1"';
const PERMISSIONS = 0o7777;
const RETRY_MILLIS = 200;

/** What runs commands in a guest. */
type Session = Pick<AgentSession, 'run' | 'close'>;

/** Options of the verbs that need the agent. */
export interface AgentOptions {
  /** Seconds that the agent may take to start. */
  readonly wait?: string;
  /** A shell on the serial line does it, not the agent. */
  readonly serial?: boolean;
  /** False: the command gets no input. */
  readonly input?: boolean;
}

/** `exec`: runs a command in the guest. @returns its exit status */
export function exec(name: string, words: readonly string[], options: AgentOptions): Promise<number> {
  const input = options.input === false ? undefined : process.stdin;
  return withAgent(name, options, { words, input, output: process.stdout, messages: process.stderr });
}

/** `cp`: copies a file into a guest or out of one. */
export function copy(from: string, to: string, options: AgentOptions): Promise<number> {
  const [source, target] = [parsePlace(from), parsePlace(to)];
  if (source.machine === undefined && target.machine !== undefined) {
    return copyIn(source.path, target.machine, target.path, options);
  }
  if (source.machine !== undefined && target.machine === undefined) {
    return copyOut(source.machine, source.path, target.path, options);
  }
  throw new UsageError('cp', `${quote(from)} and ${quote(to)}`, 'one file of the host and one of a guest, NAME:PATH');
}

function parsePlace(text: string): Place {
  const [, machine, path = ''] = GUEST_PLACE.exec(text) ?? [];
  return machine === undefined ? { path: text } : { machine, path };
}

async function copyIn(from: string, name: string, path: string, options: AgentOptions): Promise<number> {
  const facts = await stat(from).catch((error) => {
    throw whyUnreadable({ option: 'cp', path: from }, error);
  });
  if (!facts.isFile()) throw new CliError(STATUS.failed, `cp: found ${quote(from)}, expected a file`);
  const permissions = (facts.mode & PERMISSIONS).toString(8);
  const words = ['sh', '-c', STORE, 'sh', path || '.', basename(from), permissions];
  return withMessages(name, options, { words, input: createReadStream(from), output: process.stdout });
}

/** Makes the file whole or not at all. */
async function copyOut(name: string, path: string, to: string, options: AgentOptions): Promise<number> {
  const isFolder = await stat(to).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
  const target = isFolder ? join(to, basename(path)) : to;
  const partial = `${target}.${process.pid}.part`;
  const output = createWriteStream(partial, { flags: 'wx' });
  try {
    await withMessages(name, options, { words: ['sh', '-c', FETCH, 'sh', path], output });
    output.end();
    await finished(output);
    await rename(partial, target);
  } catch (error) {
    output.destroy();
    await rm(partial, { force: true });
    throw error instanceof CliError ? error : new CliError(STATUS.failed, `cp: ${(error as Error).message}`);
  }
  return STATUS.ok;
}

/** Runs what must succeed. @throws {CliError} with what it said */
async function withMessages(
  name: string,
  options: AgentOptions,
  command: Omit<GuestCommand, 'messages'>,
): Promise<number> {
  const messages = new CollectedText();
  const failed = command.output === process.stdout ? undefined : once(command.output);
  const run = withAgent(name, options, { ...command, messages });
  const status = await (failed ? Promise.race([run, failed]) : run);
  if (status === STATUS.ok) return status;
  throw new CliError(
    STATUS.failed,
    `cp: ${quote(name)}: ${messages.text.trim() || `the guest's side ended with ${status}`}`,
  );
}

/** Rejects when a stream fails. */
function once(stream: NodeJS.EventEmitter): Promise<never> {
  return new Promise((_resolve, reject) => stream.once('error', reject));
}

/** Runs a command by the agent that listens now, if one does. @returns its exit status
 * @throws {CliError} none does, or no such machine runs */
export function runInGuest(name: string, command: GuestCommand): Promise<number> {
  return withAgent(name, {}, command);
}

async function withAgent(name: string, { wait = '0', serial }: AgentOptions, command: GuestCommand): Promise<number> {
  const waitMillis = wait === '0' ? 0 : parseSeconds('--wait', wait);
  const session = serial ? await SerialSession.connect(name, waitMillis) : await connect(name, waitMillis);
  try {
    return await session.run(command);
  } finally {
    session.close();
  }
}

/** Finds an agent: ours, or else QEMU's. @throws {CliError} neither listens, even after `waitMillis` */
async function connect(name: string, waitMillis: number): Promise<Session> {
  return retry(name, waitMillis, async () => {
    try {
      return await AgentSession.connect(name);
    } catch (error) {
      if (error instanceof CliError && error.status === STATUS.missing) throw error;
      return QemuAgentSession.connect(name).catch(() => Promise.reject(error));
    }
  });
}

/** Waits for a machine and for what listens in its guest. */
async function retry<Result>(name: string, waitMillis: number, attempt: () => Promise<Result>): Promise<Result> {
  const end = performance.now() + waitMillis;
  await NamedMachine.requireRunning(name, waitMillis);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const isLate = performance.now() > end;
      if (isLate || !(error instanceof CliError) || error.status === STATUS.missing) throw error;
      await sleep(RETRY_MILLIS);
    }
  }
}

/** `agent`: has QEMU's guest agent execute a command, and prints what it returns.
 * @param given the command's arguments, a JSON object */
export async function askQemuAgent(
  name: string,
  command: string,
  given: string | undefined,
  { wait = '0' }: AgentOptions,
): Promise<number> {
  const words = given === undefined ? undefined : parseArguments(given);
  const waitMillis = wait === '0' ? 0 : parseSeconds('--wait', wait);
  const agent = await retry(name, waitMillis, () => QemuAgent.connect(name));
  try {
    const answer = await agent.execute(command, words);
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
  } finally {
    agent.close();
  }
  return STATUS.ok;
}

function parseArguments(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  } catch {
    // told below
  }
  throw new UsageError('agent', quote(text), 'arguments as a JSON object');
}
