/**
 * Saves a booting Linux at random instruction counts, goes on from each in a new process for 50 million instructions, and
 * compares with the uninterrupted run: `node test/determinism-long.ts [COUNTS [SEED]]`, 100 and a fresh seed if absent.
 * Any count that has failed can be tried again with its seed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SplitMix64 } from '../src/base/random.ts';
import { debianBusybox, debianKernel } from './guests/debian.ts';
import { packInitramfs } from './guests/initramfs.ts';
import { makeTestMachine, runTo } from './guests/machine.ts';
import { hashInNewProcess, type TestGuest, writeResumable } from './guests/resume.ts';

const LAST_SAVE = 1_500_000_000;
const DISTANCE = 50_000_000;

const [, , counts = '100', seedText = String(Date.now())] = process.argv;
const random = new SplitMix64(BigInt(seedText));
const saves = Array.from({ length: Number(counts) }, () => Number(random.next() % BigInt(LAST_SAVE)));
saves.sort((a, b) => a - b);

const [kernel, busybox] = await Promise.all([debianKernel('amd64', 'linux-image-cloud-amd64'), debianBusybox('amd64')]);
const initrd = packInitramfs(busybox, 'for i in 1 2 3 4 5 6 7 8 9; do ls -lR /proc/1 /bin | md5sum; done');
const guest: TestGuest = { boot: { kernel, initrd, commandLine: 'console=ttyS0' }, memoryBytes: 256 << 20 };

/** Saves at `count` and returns what gives the hash after `DISTANCE` more, once it is asked for. */
async function fork(machine: ReturnType<typeof makeTestMachine>['machine'], count: number): Promise<bigint> {
  runTo(machine, count);
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-determinism-'));
  try {
    await writeResumable(folder, guest, machine.save());
    return await hashInNewProcess(folder, count + DISTANCE);
  } finally {
    await rm(folder, { recursive: true });
  }
}

process.stdout.write(`seed ${seedText}, ${saves.length} counts up to ${LAST_SAVE}\n`);
const saved = makeTestMachine(guest).machine;
const uninterrupted = makeTestMachine(guest).machine;
let different = 0;
for (const [n, count] of saves.entries()) {
  const hash = await fork(saved, count);
  runTo(uninterrupted, count + DISTANCE);
  const same = hash === uninterrupted.stateHash();
  if (!same) different++;
  process.stdout.write(`${n + 1}: ${count} ${saved.vcpu.describe()}: ${same ? 'equal' : 'DIFFERENT'}\n`);
}
process.stdout.write(`${different} of ${saves.length} differ\n`);
process.exitCode = different === 0 ? 0 : 1;
