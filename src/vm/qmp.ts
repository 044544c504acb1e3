import type { VmConsole } from './console.ts';
import type { ShutdownReason, VmControl, VmEvent } from './control.ts';
import { JsonStream } from './json-stream.ts';
import { Arguments, type Fields, isFields } from './qmp-arguments.ts';
import { BALLOON_COMMANDS, type BalloonTarget } from './qmp-balloon.ts';
import { BLOCK_COMMANDS, type BlockTarget } from './qmp-block.ts';
import { type PointerState, pictureFormat, screendump, sendInputEvents, sendKey, sendKeyLine } from './qmp-console.ts';
import { QmpError } from './qmp-error.ts';
import { NAMED_COMMANDS, type NamedTarget } from './qmp-named.ts';
import { SNAPSHOT_COMMANDS, type SnapshotTarget } from './qmp-snapshot.ts';

/** What a session of the QEMU Machine Protocol works on. */
export interface QmpTarget extends BalloonTarget, BlockTarget, SnapshotTarget, NamedTarget {
  readonly vm: VmControl;
  /** The version of this project, such as `0.1.0`. */
  readonly version: string;
  /** Ends the machine, as the command `quit` asks. */
  quit(): void;
  /** Milliseconds since 1970-01-01 00:00 UTC, for the time stamps of events. */
  utcMillis(): number;
  /** The machine's screen, keyboard and mouse. */
  readonly console?: () => Promise<VmConsole>;
  /** Puts bytes into a file of the host, as `screendump` asks. */
  readonly writeFile?: (path: string, bytes: Uint8Array) => Promise<void>;
}

/** The version of QEMU whose protocol this is, which is what clients look at. */
const QEMU_VERSION = { major: 7, minor: 2, micro: 0 } as const;

/** A command: the names of its arguments, and what it does. */
interface Command {
  readonly takes?: readonly string[];
  run(session: QmpSession, target: QmpTarget, given: Arguments): unknown;
}

/** The commands beside `qmp_capabilities`. */
const COMMANDS: Readonly<Record<string, Command>> = {
  'query-version': { run: (_session, { version }) => versionOf(version) },
  'query-commands': { run: () => ['qmp_capabilities', ...Object.keys(COMMANDS)].map((name) => ({ name })) },
  'query-status': {
    run: (_session, { vm }) => ({ status: vm.status, singlestep: false, running: vm.status === 'running' }),
  },
  'query-cpus-fast': {
    run: (_session, { vm }) => Array.from({ length: vm.cpuCount }, (_, number) => cpuFacts(number)),
  },
  stop: { run: (_session, { vm }) => vm.pause() },
  cont: { run: (_session, { vm }) => vm.resume() },
  system_reset: { run: (_session, { vm }) => vm.reset() },
  system_powerdown: { run: (_session, { vm }) => vm.pressPowerButton() },
  quit: { run: quit },
  screendump: {
    takes: ['filename', 'format', 'device', 'head'],
    run: async (_session, target, given) => {
      const [filename, format] = [given.text('filename'), pictureFormat(given)];
      await screendump(await consoleOf(target), filename, format, writerOf(target));
    },
  },
  'send-key': {
    takes: ['keys', 'hold-time'],
    run: async (_session, target, given) => sendKey(await consoleOf(target), given),
  },
  'input-send-event': {
    takes: ['events', 'device', 'head'],
    run: async (session, target, given) => sendInputEvents(await consoleOf(target), given, session.pointer),
  },
  ...BALLOON_COMMANDS,
  ...BLOCK_COMMANDS,
  ...SNAPSHOT_COMMANDS,
  ...NAMED_COMMANDS,
  'human-monitor-command': {
    takes: ['command-line', 'cpu-index'],
    run: (session, target, given) => runMonitorCommand(session, target, given.text('command-line')),
  },
};

/** The commands of QEMU's human monitor that scripts send through QMP. Each gives what it prints. */
const MONITOR_COMMANDS: Readonly<Record<string, (target: QmpTarget, words: readonly string[]) => Promise<string>>> = {
  'info status': async ({ vm }) => `VM status: ${vm.status}\r\n`,
  'info balloon': async ({ balloon }) => `balloon: actual=${Math.floor((balloon?.actualBytes ?? 0) / 2 ** 20)}\r\n`,
  'info version': async ({ version }) => `${Object.values(QEMU_VERSION).join('.')} (Vitrine ${version})\r\n`,
  sendkey: async (target, words) => sendKeyLine(await consoleOf(target), words),
  screendump: async (target, [filename = '']) => {
    await screendump(await consoleOf(target), filename, 'ppm', writerOf(target));
    return '';
  },
  mouse_move: async (target, [dx = '', dy = '', dz = '0']) => {
    (await consoleOf(target)).input.move(Number(dx) || 0, Number(dy) || 0, 0, -(Number(dz) || 0));
    return '';
  },
  mouse_button: async (target, [buttons = '']) => {
    (await consoleOf(target)).input.move(0, 0, Number(buttons) & 7, 0);
    return '';
  },
};
/** Those that are QMP commands of the same name. */
const SHARED_MONITOR_COMMANDS: readonly string[] = ['stop', 'cont', 'system_reset', 'system_powerdown', 'quit'];

async function runMonitorCommand(session: QmpSession, target: QmpTarget, line: string): Promise<string> {
  const [first = '', ...words] = line.trim().split(/\s+/);
  const isInfo = first === 'info';
  const name = isInfo ? `info ${words.shift() ?? ''}` : first;
  if (SHARED_MONITOR_COMMANDS.includes(name)) {
    await COMMANDS[name].run(session, target, new Arguments({}));
    return '';
  }
  const command = Object.hasOwn(MONITOR_COMMANDS, name) ? MONITOR_COMMANDS[name] : undefined;
  return command ? command(target, words) : `unknown command: '${name}'\r\n`;
}

function consoleOf({ console }: QmpTarget): Promise<VmConsole> {
  if (console === undefined) throw new QmpError('GenericError', 'There is no console to take a screendump from');
  return console();
}

function writerOf({ writeFile }: QmpTarget): NonNullable<QmpTarget['writeFile']> {
  if (writeFile === undefined) throw new QmpError('GenericError', 'this host has no files');
  return writeFile;
}

/** The `reason` of a SHUTDOWN event. */
const SHUTDOWN_REASONS: Readonly<Record<ShutdownReason, string>> = {
  powerOff: 'guest-shutdown',
  reset: 'guest-reset',
  tripleFault: 'guest-reset',
  panic: 'guest-panic',
  debugExit: 'guest-shutdown',
};

/** A processor, as QEMU tells of one: the cores of one package. */
function cpuFacts(number: number): Fields {
  return {
    'cpu-index': number,
    'qom-path': `/machine/unattached/device[${number}]`,
    'thread-id': 1,
    target: 'x86_64',
    props: { 'socket-id': 0, 'core-id': number, 'thread-id': 0 },
  };
}

function versionOf(version: string): Fields {
  return { qemu: QEMU_VERSION, package: `Vitrine ${version}` };
}

function quit(session: QmpSession, target: QmpTarget): void {
  session.sendEvent('SHUTDOWN', { guest: false, reason: 'host-qmp-quit' });
  session.afterReply(() => target.quit());
}

/** One client's conversation in the QEMU Machine Protocol (QEMU's docs/interop/qmp-spec, "QMP Protocol Specification").
 * Commands are answered in order. */
export class QmpSession {
  readonly #target: QmpTarget;
  readonly #sendLine: (line: string) => void;
  readonly #input = new JsonStream();
  readonly #atEnd: (() => void)[] = [];
  #negotiated = false;
  #pending: Promise<void> = Promise.resolve();
  #afterReply: (() => void) | undefined;
  /** Ends the conversation: no more events are sent. */
  readonly close: () => void;
  /** What `input-send-event` has done to the pointer. */
  readonly pointer: PointerState = { x: 0, y: 0, buttons: 0 };

  /** Greets the client.
   * @param sendLine sends a line, whose end it adds */
  constructor(target: QmpTarget, sendLine: (line: string) => void) {
    this.#target = target;
    this.#sendLine = sendLine;
    this.#send({ QMP: { version: versionOf(target.version), capabilities: [] } });
    this.#atEnd.push(target.vm.onEvent((event) => this.#tell(event)));
    this.close = () => {
      for (const action of this.#atEnd.splice(0)) action();
    };
  }

  /** Takes text from the client, in pieces of any length.
   * @returns when everything that is complete by now has been answered
   * @throws {RangeError} the client sends a single command of over 1 MiB */
  receive(text: string): Promise<void> {
    for (const value of this.#input.push(text)) {
      this.#pending = this.#pending.then(() => this.#answer(value));
    }
    return this.#pending;
  }

  /** Sends an event, with the time, once the client has negotiated. */
  sendEvent(event: string, data?: Fields): void {
    if (!this.#negotiated) return;
    const micros = Math.floor(this.#target.utcMillis() * 1000);
    const timestamp = { seconds: Math.floor(micros / 1e6), microseconds: micros % 1e6 };
    this.#send({ timestamp, event, ...(data && { data }) });
  }

  /** Has something done when the conversation ends. */
  atEnd(action: () => void): void {
    this.#atEnd.push(action);
  }

  /** Has something done once the current command is answered. */
  afterReply(action: () => void): void {
    this.#afterReply = action;
  }

  async #answer(text: string): Promise<void> {
    let id: unknown;
    try {
      const request = parseRequest(text);
      id = request.id;
      const result = await this.#execute(request);
      this.#send({ return: result ?? {}, ...(id !== undefined && { id }) });
    } catch (error) {
      const errorClass = error instanceof QmpError ? error.errorClass : 'GenericError';
      const description = { class: errorClass, desc: (error as Error).message };
      this.#send({ error: description, ...(id !== undefined && { id }) });
    }
    this.#afterReply?.();
    this.#afterReply = undefined;
  }

  #execute(request: Fields): unknown {
    const { execute, arguments: given = {} } = checkRequest(request);
    if (execute === 'qmp_capabilities') return this.#negotiate();
    if (!this.#negotiated) {
      throw new QmpError('CommandNotFound', "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    const command = Object.hasOwn(COMMANDS, execute) ? COMMANDS[execute] : undefined;
    if (command === undefined) {
      throw new QmpError('CommandNotFound', `The command ${execute} has not been found`);
    }
    const parameters = new Arguments(given);
    parameters.allow(command.takes ?? []);
    return command.run(this, this.#target, parameters);
  }

  #negotiate(): void {
    if (this.#negotiated) {
      throw new QmpError('CommandNotFound', 'Capabilities negotiation is already complete, command ignored');
    }
    this.#negotiated = true;
  }

  #tell(event: VmEvent): void {
    if (event.kind === 'shutdown' && event.reason === 'panic') this.sendEvent('GUEST_PANICKED', { action: 'poweroff' });
    this.sendEvent(event.kind.toUpperCase(), eventData(event));
  }

  #send(message: Fields): void {
    this.#sendLine(JSON.stringify(message));
  }
}

function eventData(event: VmEvent): Fields | undefined {
  switch (event.kind) {
    case 'reset':
      return { guest: event.byGuest, reason: event.byGuest ? 'guest-reset' : 'host-qmp-system-reset' };
    case 'shutdown':
      return { guest: true, reason: SHUTDOWN_REASONS[event.reason] };
    case 'balloon_change':
      return { actual: event.actualBytes };
    default:
      return undefined;
  }
}

function parseRequest(text: string): Fields {
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch {
    throw new QmpError('GenericError', 'JSON parse error');
  }
  if (!isFields(request)) throw new QmpError('GenericError', 'QMP input must be a JSON object');
  return request;
}

/** Checks the members of a request, in the words of QEMU. */
function checkRequest(request: Fields): { readonly execute: string; readonly arguments?: Fields } {
  const { execute, arguments: given } = request;
  if (execute === undefined) throw new QmpError('GenericError', "QMP input lacks member 'execute'");
  if (typeof execute !== 'string') throw new QmpError('GenericError', "QMP input member 'execute' must be a string");
  if (given !== undefined && !isFields(given)) {
    throw new QmpError('GenericError', "QMP input member 'arguments' must be an object");
  }
  const extra = Object.keys(request).find((name) => !['execute', 'arguments', 'id'].includes(name));
  if (extra !== undefined) throw new QmpError('GenericError', `QMP input member '${extra}' is unexpected`);
  return { execute, arguments: given };
}
