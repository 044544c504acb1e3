import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SNAPSHOT_CODEC_NAMES } from '../../vm/snapshot/format.ts';
import { configurationIn } from '../../vm/snapshot/saved-machine.ts';
import { CliError, STATUS, UsageError } from '../errors.ts';
import { openSnapshot } from '../snapshots.ts';
import { formatSize, parseName, quote } from '../values.ts';
import { NamedMachine } from './client.ts';
import { print, withMachine } from './control-verbs.ts';
import { tellAddresses } from './copy-addresses.ts';

/** How long a copy may take until it answers. */
const START_MILLIS = 60_000;
const POLL_MILLIS = 20;

/** `snapshot create`. */
export async function create(name: string, file: string, compress?: string): Promise<number> {
  if (compress !== undefined && !SNAPSHOT_CODEC_NAMES.some((word) => word === compress)) {
    throw new UsageError('--compress', quote(compress), SNAPSHOT_CODEC_NAMES.join(' or '));
  }
  const filename = resolve(file);
  await withMachine(name, (machine) => machine.execute('vitrine-snapshot', { filename, compress }));
  return STATUS.ok;
}

/** `snapshot info`. */
export async function info(file: string, json: boolean): Promise<number> {
  const snapshot = await openSnapshot(file, 'FILE');
  const saved = configurationIn(snapshot);
  const contentBytes = (await snapshot.table('memory')).contentBytes;
  snapshot.close();
  const facts = {
    fileBytes: snapshot.length,
    writer: snapshot.writer,
    memoryBytes: saved.memoryBytes,
    contentBytes,
    clock: saved.clock,
    boots: saved.commandLine === null ? 'firmware' : 'kernel',
    disks: saved.drives,
    networks: saved.networks.map(({ model }) => model),
    shares: saved.shares.map(({ tag }) => tag),
  };
  if (json) print(JSON.stringify(facts));
  else {
    print(`file: ${formatSize(facts.fileBytes)}`);
    print(`memory: ${formatSize(facts.memoryBytes)}, of which ${formatSize(contentBytes)} hold something`);
    print(`clock: ${facts.clock}`);
    print(`boots: ${facts.boots}`);
    for (const { name, kind, bus, sizeBytes } of saved.drives)
      print(`${kind}: ${name}, ${formatSize(sizeBytes)}, ${bus}`);
    for (const model of facts.networks) print(`network: ${model}`);
  }
  return STATUS.ok;
}

/**
 * `fork`: saves the machine once and starts all copies from that, in the background, with addresses of their own, which the
 * guest's agent is told. They keep the file open that they read from; nobody else finds it.
 */
export async function fork(name: string, copies: readonly string[]): Promise<number> {
  for (const copy of copies) parseName(copy, 'NAME');
  const running = await NamedMachine.names();
  const taken = copies.find((copy, index) => running.includes(copy) || copies.indexOf(copy) !== index);
  if (taken !== undefined) throw new UsageError('fork', quote(taken), 'names that no machine has');
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-fork-'));
  try {
    const filename = join(folder, 'snapshot');
    await withMachine(name, (machine) => machine.execute('vitrine-snapshot', { filename }));
    const macs = await macsOf(name);
    await Promise.all(copies.map((copy) => start(copy, filename, folder)));
    await Promise.all(copies.map((copy) => tellGuest(copy, macs)));
    for (const copy of copies) print(copy);
  } finally {
    await rm(folder, { recursive: true });
  }
  return STATUS.ok;
}

/** Addresses of a machine's network cards. */
async function macsOf(name: string): Promise<readonly string[]> {
  const { macs } = await withMachine(name, (machine) => machine.execute('vitrine-info'));
  return macs as readonly string[];
}

/** Tells a copy's guest of its addresses, or the user that it goes on with the original's. */
async function tellGuest(copy: string, originals: readonly string[]): Promise<void> {
  const why = await tellAddresses(copy, originals, await macsOf(copy));
  if (why === undefined) return;
  process.stderr.write(`vitrine: fork: ${why}; it keeps the original's network addresses until it restarts\n`);
}

/** Starts a copy in the background and waits until it answers. @throws {CliError} it ends before */
async function start(name: string, snapshot: string, folder: string): Promise<void> {
  const log = join(folder, `${name}.log`);
  const output = openSync(log, 'w', 0o600);
  const args = [
    ...process.execArgv,
    process.argv[1] ?? '',
    'run',
    '--snapshot',
    snapshot,
    '--copy',
    '--name',
    name,
    '--serial',
    'none',
  ];
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', output, output] });
  child.unref();
  let ended = false;
  child.on('exit', () => {
    ended = true;
  });
  const end = performance.now() + START_MILLIS;
  for (;;) {
    const answers = await withMachine(name, (machine) => machine.execute('query-status')).catch(() => undefined);
    if (answers !== undefined) return;
    if (ended) throw new CliError(STATUS.failed, `fork: ${name} did not start: ${readFileSync(log, 'utf8').trim()}`);
    if (performance.now() > end) throw new CliError(STATUS.timeout, `fork: ${name} does not answer`);
    await sleep(POLL_MILLIS);
  }
}
