import { resolve } from 'node:path';
import { CliError, STATUS } from '../errors.ts';
import { parseSeconds } from '../values.ts';
import { NamedMachine } from './client.ts';

const STOP_SECONDS = '60';

/** Talks to a machine and lets it go again. */
export async function withMachine<T>(name: string, use: (machine: NamedMachine) => Promise<T>): Promise<T> {
  const machine = await NamedMachine.connect(name);
  try {
    return await use(machine);
  } finally {
    machine.close();
  }
}

/** `ls`: a line a machine. Those that do not answer any more are left out. */
export async function list(json: boolean): Promise<number> {
  const all = (await NamedMachine.names()).map((name) =>
    withMachine(name, (machine) => machine.execute('vitrine-info')).catch(() => undefined),
  );
  const found = (await Promise.all(all)).filter((facts) => facts !== undefined);
  if (json) print(JSON.stringify(found));
  else {
    for (const { name, status, memoryBytes, pid } of found) {
      print(`${`${name}`.padEnd(24)} ${`${status}`.padEnd(10)} ${Number(memoryBytes) / 2 ** 20}M  process ${pid}`);
    }
  }
  return STATUS.ok;
}

/** `info`: what is known of a machine. */
export async function info(name: string, json: boolean): Promise<number> {
  const facts = await withMachine(name, (machine) => machine.execute('vitrine-info'));
  if (json) print(JSON.stringify(facts));
  else {
    for (const [field, value] of Object.entries(facts)) {
      print(`${field}: ${typeof value === 'object' ? JSON.stringify(value) : value}`);
    }
  }
  return STATUS.ok;
}

/** Has a machine do what has no arguments. */
export async function command(name: string, execute: string): Promise<number> {
  await withMachine(name, (machine) => machine.execute(execute));
  return STATUS.ok;
}

/** `stop`. @throws {CliError} the guest has not ended in time */
export async function stop(
  name: string,
  options: { readonly force?: boolean; readonly timeout?: string },
): Promise<number> {
  const millis = parseSeconds('--timeout', options.timeout ?? STOP_SECONDS);
  return withMachine(name, async (machine) => {
    await machine.execute(options.force ? 'quit' : 'system_powerdown');
    const { promise, resolve } = Promise.withResolvers<'late'>();
    const timer = setTimeout(resolve, millis, 'late');
    const ended = await Promise.race([machine.closed, promise]);
    clearTimeout(timer);
    if (ended === undefined) return STATUS.ok;
    throw new CliError(STATUS.timeout, `stop: ${name} has not ended after ${millis / 1000} s; --force ends it at once`);
  });
}

/** `screenshot`. */
export async function screenshot(name: string, file: string): Promise<number> {
  const given = { filename: resolve(file), format: 'png' };
  await withMachine(name, (machine) => machine.execute('screendump', given));
  return STATUS.ok;
}

/** `sendkey`. */
export async function sendKey(name: string, keys: string): Promise<number> {
  const given = { keys: keys.split('-').map((data) => ({ type: 'qcode', data })) };
  await withMachine(name, (machine) => machine.execute('send-key', given));
  return STATUS.ok;
}

/** Prints a line of a result. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
