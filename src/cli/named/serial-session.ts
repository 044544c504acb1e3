import { randomBytes } from 'node:crypto';
import { CliError, STATUS } from '../errors.ts';
import { quote } from '../values.ts';
import { type GuestCommand, SIGNAL_STATUS } from './agent-session.ts';
import { NamedMachine } from './client.ts';
import { SerialShell, ShellError, type ShellLine } from './serial-shell.ts';

/** How long a shell may take to answer before it is asked again. */
const ANSWER_MILLIS = 5000;
const NONCE_BYTES = 9;
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** A conversation with a shell on the first serial line of a machine. */
export class SerialSession {
  readonly #name: string;
  readonly #machine: NamedMachine;
  readonly #shell: SerialShell;
  #command: GuestCommand | undefined;

  private constructor(name: string, machine: NamedMachine) {
    this.#name = name;
    this.#machine = machine;
    const line: ShellLine = {
      type: (text) => machine.typeOnSerial(Buffer.from(text, 'latin1')),
      onOutput: (listen) => machine.onSerial((bytes) => listen(bytes.toString('latin1'))),
    };
    this.#shell = new SerialShell(line, randomBytes(NONCE_BYTES).toString('hex'));
  }

  /** @param waitMillis how long it may take until the machine has started and a shell answers  @throws {CliError} none does */
  static async connect(name: string, waitMillis: number): Promise<SerialSession> {
    const end = performance.now() + waitMillis;
    const machine = await NamedMachine.connect(name, waitMillis);
    const session = new SerialSession(name, machine);
    try {
      await machine.execute('vitrine-serial-listen');
      while (!(await session.#isAnswered())) {
        if (performance.now() > end) {
          const advice = `log in there (vitrine console ${name})`;
          throw new CliError(STATUS.failed, `${quote(name)}: no shell answers on its serial line: ${advice}`);
        }
      }
      return session;
    } catch (error) {
      machine.close();
      throw error;
    }
  }

  /** Runs a command, which signals to this process end. @returns its exit status, as a shell gives it
   * @throws {CliError} the machine ends before, or something else uses its line */
  async run(command: GuestCommand): Promise<number> {
    this.#command = command;
    const stopped = Promise.withResolvers<number>();
    const stop = (_name: NodeJS.Signals, number: number) => {
      this.#shell.interrupt();
      const isTyped = this.#machine.execute('query-status').catch(() => {}); // answered in order
      void isTyped.then(() => stopped.resolve(SIGNAL_STATUS + number));
    };
    for (const signal of SIGNALS) process.once(signal, stop);
    const gone = this.#machine.closed.then(() => {
      throw new ShellError('the machine has ended');
    });
    try {
      return await Promise.race([this.#shell.run(command), gone, stopped.promise]);
    } catch (error) {
      if (!(error instanceof ShellError)) throw error;
      this.#shell.interrupt();
      throw new CliError(STATUS.failed, `${quote(this.#name)}: ${error.message}`);
    } finally {
      for (const signal of SIGNALS) process.off(signal, stop);
    }
  }

  close(): void {
    this.#command?.input?.destroy();
    this.#machine.close();
  }

  /** Asks for a sign of life. */
  async #isAnswered(): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(resolve, ANSWER_MILLIS, false);
    const answered = await Promise.race([this.#shell.greet().then(() => true), late]);
    clearTimeout(timer);
    return answered;
  }
}
