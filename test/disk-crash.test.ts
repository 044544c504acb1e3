// An image that is being written when the power fails or the process is killed stays in order and keeps what was flushed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IMAGE, memoryHost, randomNumbers } from '../src/disk/block-device.case.ts';
import type { DiskHost, ImageFile } from '../src/disk/interfaces.ts';
import type { MemoryContent } from '../src/disk/memory-file.ts';
import { openDisk } from '../src/disk/open.ts';
import { createQcow2, type Qcow2Options } from '../src/disk/qcow2/create.ts';
import { createVdi } from '../src/disk/vdi.ts';
import { createVhd } from '../src/disk/vhd.ts';
import { createVhdx } from '../src/disk/vhdx/vhdx.ts';
import { createVmdk } from '../src/disk/vmdk/vmdk.ts';
import { nodeDiskHost } from '../src/host/node/disk-host.ts';
import { NO_QEMU_IMG, runTool, temporaryFolder } from './disk/qemu.ts';
import { recordingHost } from './disk/recording-file.ts';
import { doStep, makeSteps, readAll, STEPS_PER_FLUSH, StampedModel } from './disk/stamped.ts';

/** Moments at which the power fails, and processes that are killed. */
const CRASHES = Number(process.env.VITRINE_DISK_CRASHES ?? 60);
const KILLS = Number(process.env.VITRINE_DISK_KILLS ?? 4);
const SIZE = 4 << 20;
const STEPS = 210;

const inFolder = temporaryFolder('crash');
const writer = fileURLToPath(new URL('disk/kill-writer.ts', import.meta.url));

/** A format and how an image of it is made. */
interface Kind {
  readonly format: string;
  create(file: ImageFile, host: DiskHost): Promise<void>;
}

function qcow2(options: Partial<Qcow2Options>): Kind {
  return { format: 'qcow2', create: (file, host) => createQcow2(file, { sizeBytes: SIZE, ...options }, host) };
}

/** Writes to an image whose file is recorded. @returns how many file operations had been done after each step */
async function write({ format, create }: Kind, flushes: boolean) {
  const memory = memoryHost();
  const file = await memory.files.create(IMAGE);
  await create(file, memory);
  await file.close();
  const { host, recording } = recordingHost(memory, IMAGE, flushes);
  const disk = await openDisk(IMAGE, { format }, host);
  const next = makeSteps(1, SIZE / 512);
  const doneAt = [0];
  for (let number = 1; number <= STEPS; number++) {
    await doStep(disk, next(), number);
    if (number % STEPS_PER_FLUSH === 0) await disk.flush();
    doneAt.push(recording.operations.length);
  }
  return { recording, doneAt };
}

/** What is wrong with an image after a crash, as our own check and a reader see it. */
async function findWrong(
  { format }: Kind,
  content: MemoryContent,
  model: StampedModel,
  flushed: number,
): Promise<string[]> {
  const memory = memoryHost();
  memory.files.contents.set(IMAGE, content);
  const disk = await openDisk(IMAGE, { format }, memory);
  const report = await disk.driver.check?.('none');
  try {
    return report?.corruptions ? [...report.messages] : model.findWrong(await readAll(disk), flushed, STEPS);
  } catch (error) {
    return [`${error}`];
  } finally {
    await disk.close();
  }
}

/** Plays crashes at random moments. @returns what is wrong after each */
async function crash(kind: Kind, flushes: boolean, withQemu: boolean): Promise<string[]> {
  const { recording, doneAt } = await write(kind, flushes);
  const model = new StampedModel(1, SIZE / 512);
  const below = randomNumbers(2);
  const wrong: string[] = [];
  for (let i = 0; i < CRASHES; i++) {
    const moment = below(recording.operations.length);
    const done = doneAt.findLastIndex((operations) => operations <= moment);
    const content = recording.crash(moment, below);
    if (withQemu && i % 6 === 0) wrong.push(...(await qemuComplains(kind, content.bytes())));
    wrong.push(...(await findWrong(kind, content, model, done - (done % STEPS_PER_FLUSH))));
  }
  return wrong;
}

/** What QEMU finds wrong, at most after our repair of leaks. Status 3 says that clusters leaked, and nothing worse; 63 that
 * QEMU cannot check the format. */
async function qemuComplains({ format }: Kind, image: Uint8Array): Promise<string[]> {
  const path = inFolder('crashed');
  writeFileSync(path, image);
  if (runTool('qemu-img', ['check', '-f', format, path]).status !== 0) {
    const disk = await openDisk(path, { format }, nodeDiskHost);
    await disk.driver.check?.('leaks');
    await disk.close();
  }
  const { status, output, complaints } = runTool('qemu-img', ['check', '-f', format, path]);
  return status === 0 || status === 3 || status === 63 ? [] : [`${output}${complaints}`];
}

const KINDS: Readonly<Record<string, Kind>> = {
  'qcow2 with usual clusters': qcow2({}),
  'qcow2 with small clusters': qcow2({ clusterBytes: 512 }),
  'qcow2 with refcounts of one bit': qcow2({ refcountBits: 1, clusterBytes: 1024 }),
  'qcow2 with lazy refcounts': qcow2({ lazyRefcounts: true, clusterBytes: 4096 }),
  vdi: { format: 'vdi', create: (file, host) => createVdi(file, { sizeBytes: SIZE }, host) },
  vhd: { format: 'vpc', create: (file, host) => createVhd(file, { sizeBytes: SIZE }, host) },
  vhdx: { format: 'vhdx', create: (file, host) => createVhdx(file, { sizeBytes: SIZE, blockBytes: 1 << 20 }, host) },
  vmdk: { format: 'vmdk', create: (file, host) => createVmdk(file, { sizeBytes: SIZE }, host) },
};

describe('a power failure while an image is written', () => {
  for (const [name, kind] of Object.entries(KINDS)) {
    it(`leaves it in order with all that was flushed: ${name}`, async () => {
      assert.deepEqual(await crash(kind, true, NO_QEMU_IMG === false), []);
    });
  }

  for (const name of ['qcow2 with usual clusters', 'vdi', 'vhd', 'vmdk']) {
    it(`is noticed by this test when flushes do nothing: ${name}`, async () => {
      assert.notDeepEqual(await crash(KINDS[name], false, false), []);
    });
  }
});

describe('SIGKILL while a qcow2 image is written', { skip: NO_QEMU_IMG }, () => {
  for (let round = 0; round < KILLS; round++) {
    it(`leaves it in order with all that was flushed (${round + 1} of ${KILLS})`, async () => {
      const path = inFolder(`killed-${round}`);
      const file = await nodeDiskHost.files.create(path);
      await createQcow2(file, { sizeBytes: SIZE, clusterBytes: [65536, 512, 4096][round % 3] }, nodeDiskHost);
      await file.close();
      const flushed = await killWriter(path, round, 3 + ((round * 37) % 61));
      const { status, output, complaints } = runTool('qemu-img', ['check', path]);
      assert.ok(status === 0 || status === 3, `${output}${complaints}`);
      const disk = await openDisk(path, {}, nodeDiskHost);
      const wrong = new StampedModel(round, SIZE / 512).findWrong(await readAll(disk), flushed, flushed + 2000);
      await disk.close();
      assert.deepEqual(wrong, []);
    });
  }
});

/** Runs the writer until it told of so many flushes, and kills it then. @returns the last flushed step it told */
async function killWriter(path: string, seed: number, flushes: number): Promise<number> {
  const child = spawn(process.execPath, [writer, path, `${seed}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let [told, last] = [0, 0];
  for await (const line of createInterface(child.stdout)) {
    last = Number(line);
    if (++told === flushes) child.kill('SIGKILL');
  }
  if (child.signalCode === null) await once(child, 'exit');
  assert.equal(child.signalCode, 'SIGKILL');
  return last;
}
