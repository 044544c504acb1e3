/**
 * Goes on with a saved machine in a process of its own and prints its state hash:
 * `node test/guests/resume.ts FOLDER COUNT`, where the folder has what {@link writeResumable} wrote.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PcMachineOptions } from '../../src/boards/pc-machine.ts';
import type { DeviceState } from '../../src/machine/interfaces.ts';
import { deserialize, serialize } from '../../src/vm/snapshot/in-memory.ts';
import { makeTestMachine, runTo } from './machine.ts';

/** What a machine of a test is made of. */
export type TestGuest = Pick<PcMachineOptions, 'boot' | 'memoryBytes'>;

/** Saves a machine for other processes. */
export async function writeResumable(folder: string, guest: TestGuest, state: DeviceState): Promise<void> {
  await writeFile(join(folder, 'guest'), await serialize({ version: 1, ...guest }));
  await writeFile(join(folder, 'state'), await serialize(state));
}

/** The state hash after a new process has gone on from the folder's state up to instruction `count`. */
export async function hashInNewProcess(folder: string, count: number): Promise<bigint> {
  const { stdout } = await promisify(execFile)(process.execPath, [import.meta.filename, folder, String(count)]);
  return BigInt(stdout.trim());
}

if (process.argv[1] === import.meta.filename) {
  const [, , folder, count] = process.argv;
  const guest: unknown = await deserialize(await readFile(join(folder, 'guest')));
  const { machine } = makeTestMachine(guest as TestGuest);
  machine.restore(await deserialize(await readFile(join(folder, 'state'))));
  runTo(machine, Number(count));
  process.stdout.write(`${machine.stateHash()}\n`);
}
