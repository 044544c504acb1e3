import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { concatenate } from '../src/base/bytes.ts';
import { openSavedDrives } from '../src/cli/saved-drives.ts';
import { nodeNetHost } from '../src/host/node/net-host.ts';
import { zstdCodec } from '../src/host/node/snapshot-files.ts';
import { nodeTime } from '../src/host/node/time.ts';
import { TestDisk } from '../src/machine/test-disk.case.ts';
import { UserNetwork } from '../src/net/user-network.ts';
import { MemorySink, MemorySource, type PcDrive, SnapshotFile, Vm, type VmConfig } from '../src/vm/index.ts';
import { debianKernel } from './guests/debian.ts';
import { makeDebianRoot, packRoot } from './guests/debian-root.ts';
import { TestSerial } from './guests/machine.ts';
import { debianModules, LOAD_MODULES } from './guests/modules.ts';
import { cardOf, GET_LEASE } from './guests/network-guest.ts';

const KERNEL = 'linux-image-amd64';
const PACKAGES = ['busybox-static', 'libc6', 'libc6-dev', 'tcc'];
const ROUNDS = Number(process.env.VITRINE_SNAPSHOT_ROUNDS ?? 2);
/** Rounds of which one waits for all loads to end a turn; the others let the first that does so suffice. */
const TURNS_EVERY = 5;
/** Rounds after which a long run says how far it is. */
const TOLD_EVERY = 10;
const DISK_BYTES = 16 << 20;
const FUNCTIONS = 40;
/** What the guest fetches, and how slowly it comes: some of it is under way at most moments. */
const FILE = Buffer.alloc(1 << 19, 'What the guest fetches again and again. ');
const FILE_PIECE = 1 << 16;
const PIECE_MILLIS = 40;

/** What the guest does without end, all at once. Each is a function of the shell that fails when something is not as it was. */
const LOADS: Readonly<Record<string, string>> = {
  compress: 'gzip -1 -c base | gunzip > unpacked; cat base unpacked | sha256sum | cmp -s - wanted',
  disk: `dd if=base of=/dev/vda bs=4k seek=7 conv=notrunc,fsync 2> /dev/null; blockdev --flushbufs /dev/vda
    dd if=/dev/vda bs=4k skip=7 count=32 2> /dev/null | cmp -s - base`,
  compile: 'rm -f program; tcc -o program /program.c; ./program | cmp -s - /program.said',
  download: 'until wget -q -O file http://10.0.2.2:$port/; do echo "cut off."; done; cmp -s file fetched',
};

const script = (port: number) => `#!/bin/busybox sh
export PATH=/usr/bin:/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
${LOAD_MODULES}
${GET_LEASE}
cd /tmp; port=${port}
head -c 131072 /dev/urandom > base
cat base base | sha256sum > wanted
wget -q -O fetched http://10.0.2.2:$port/
complaints() { dmesg | grep -cE 'BUG|WARNING|Oops|lockup|stall|hung|I/O error|Call Trace'; }
${Object.entries(LOADS)
  .map(([name, work]) => `${name}() { ${work}; }`)
  .join('\n')}
repeat() {
  turn=0
  while :; do $1 || echo "WRONG $1 in turn $turn"; turn=$((turn + 1)); echo "turn $1 $turn."; done
}
before=$(complaints)
${Object.keys(LOADS)
  .map((name) => `repeat ${name} &`)
  .join('\n')}
exec < /dev/ttyS1 > /dev/ttyS1
while read line; do
  echo "answer: $line $(ping -c 1 10.0.2.2 | grep -c '1 packets received')," \\
    "$(dmesg | grep -c 'crng reseeded due to virtual machine fork') times copied, $(($(complaints) - before)) complaints;"
done
`;

/** A program of many functions, and what it says. */
function makeProgram(folder: string): void {
  const numbers = Array.from({ length: FUNCTIONS }, (_, index) => index);
  const functions = numbers.map((n) => `static int f${n}(int x) { return (x * ${n + 3} + ${n * n}) % 1000003; }\n`);
  const calls = numbers.map((n) => `x = f${n}(x);`).join(' ');
  const main = `int main(void) { int x = 1; ${calls} printf("%d\\n", x); return 0; }\n`;
  writeFileSync(join(folder, 'program.c'), `#include <stdio.h>\n${functions.join('')}${main}`);
  const said = numbers.reduce((x, n) => (x * (n + 3) + n * n) % 1000003, 1);
  writeFileSync(join(folder, 'program.said'), `${said}\n`);
}

/** @throws {Error} the packages cannot be had */
async function makeBoot(port: number): Promise<Pick<VmConfig, 'kernel' | 'initrd'>> {
  const root = mkdtempSync(join(tmpdir(), 'vitrine-rounds-'));
  try {
    await makeDebianRoot('amd64', PACKAGES, root);
    const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
    const isSpare = (name: string) => name.endsWith('.a') && name !== 'libc_nonshared.a';
    for (const name of readdirSync(libraries).filter(isSpare)) rmSync(join(libraries, name));
    makeProgram(root);
    const drivers = ['virtio_pci', 'virtio_net', 'virtio_blk', 'af_packet'];
    const [kernel, modules] = await Promise.all([
      debianKernel('amd64', KERNEL),
      debianModules('amd64', KERNEL, drivers),
    ]);
    return { kernel, initrd: concatenate([await packRoot(root, script(port)), modules]) };
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** Serves the file, piece by piece. @returns its server, which listens */
async function serveFile(): Promise<Server> {
  const server = createServer(async (_request, response) => {
    response.setHeader('content-length', FILE.length);
    for (let at = 0; at < FILE.length && !response.destroyed; at += FILE_PIECE) {
      response.write(FILE.subarray(at, at + FILE_PIECE));
      await setTimeout(PIECE_MILLIS);
    }
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

interface Machine {
  readonly vm: Vm;
  /** Where the loads tell their turns. */
  readonly serial: TestSerial;
  /** Where lines are typed and answered. */
  readonly talk: TestSerial;
  readonly network: UserNetwork;
  readonly drives: readonly PcDrive[];
}

/** @param seed another one makes it another machine */
async function makeMachine(boot: Pick<VmConfig, 'kernel' | 'initrd' | 'snapshot'>, seed: number): Promise<Machine> {
  const [serial, talk] = [new TestSerial(), new TestSerial()];
  let network: UserNetwork | undefined;
  const card = cardOf('virtio', (clock) => {
    network = new UserNetwork({ host: nodeNetHost, clock, seed: 1n });
    return network.port;
  });
  const empty: PcDrive = { kind: 'disk', bus: 'virtio', name: 'disk', medium: new TestDisk(DISK_BYTES) };
  const drives = boot.snapshot ? await openSavedDrives(boot.snapshot) : [empty];
  const vm = await Vm.create({
    ...boot,
    memoryBytes: 256 << 20,
    commandLine: 'console=ttyS0 quiet net.ifnames=0 no_timer_check panic=-1',
    clock: 'host',
    seed: BigInt(seed),
    noReboot: true,
    serial: [serial, talk],
    drives,
    networks: [{ ...card, far: () => network }],
    host: nodeTime,
  });
  void vm.run();
  return { vm, serial, talk, network: must(network), drives };
}

function must<Thing>(thing: Thing | undefined): Thing {
  return thing ?? assert.fail('the card has no cable');
}

async function seen({ vm, serial }: Machine, from: TestSerial, pattern: RegExp): Promise<RegExpMatchArray> {
  for (;;) {
    const match = pattern.exec(from.output);
    if (match) return match;
    assert.equal(vm.status, 'running', serial.output);
    await setTimeout(5);
  }
}

/** The numbers of the turns of a load that a machine has told of. */
const turnsOf = ({ serial }: Machine, load: string) =>
  [...serial.output.matchAll(new RegExp(`turn ${load} (\\d+)\\.`, 'g'))].map(([, turn]) => Number(turn));

/** Has each of the loads end a turn. */
async function allTurn(machine: Machine): Promise<void> {
  for (const load of Object.keys(LOADS)) await seen(machine, machine.serial, new RegExp(`turn ${load} \\d+\\.`));
}

/** Looks at the turns that a machine has told of: they follow those that were told before it was saved.
 * @param told the last of each load, which goes on */
function follow(machine: Machine, told: Map<string, number>): void {
  assert.doesNotMatch(machine.serial.output, /WRONG|BUG|Oops|lockup|panic|Call Trace/);
  for (const load of Object.keys(LOADS)) {
    const turns = turnsOf(machine, load);
    const last = told.get(load) ?? 0;
    assert.ok((turns[0] ?? 0) <= last + 1, `turn ${turns[0]} of ${load} follows ${last}`);
    told.set(load, turns.at(-1) ?? last);
  }
}

async function end({ vm, network, drives }: Machine): Promise<void> {
  await vm.pause();
  network.close();
  for (const { medium } of drives) await medium.close();
}

/** Saves a machine as it runs, and ends it. */
async function save(machine: Machine): Promise<SnapshotFile> {
  const sink = new MemorySink();
  await machine.vm.snapshot(sink, { codec: zstdCodec });
  await end(machine);
  return SnapshotFile.open(new MemorySource(sink.bytes()), [zstdCodec]);
}

it(`a busy Linux guest goes on through ${ROUNDS} saves and restores`, { timeout: 7_200_000 }, async (t) => {
  const server = await serveFile();
  t.after(() => server.close());
  let boot: Pick<VmConfig, 'kernel' | 'initrd'>;
  try {
    boot = await makeBoot((server.address() as AddressInfo).port);
  } catch (error) {
    return t.skip((error as Error).message);
  }
  let machine = await makeMachine(boot, 0);
  await allTurn(machine);
  const told = new Map<string, number>();
  const answerMillis: number[] = [];
  let cut = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    await setTimeout((round * 37) % 100);
    const snapshot = await save(machine);
    follow(machine, told);
    const began = performance.now();
    machine = await makeMachine({ snapshot }, round);
    machine.talk.type(`round ${round}\n`);
    await seen(machine, machine.talk, new RegExp(`round ${round}`));
    answerMillis.push(performance.now() - began);
    const [, answer] = await seen(machine, machine.talk, /answer: (.*);/);
    assert.equal(answer, `round ${round} 1, ${round} times copied, 0 complaints`, machine.serial.output);
    if (round % TURNS_EVERY === 0 || round === ROUNDS) await allTurn(machine);
    else await seen(machine, machine.serial, /turn \w+ \d+\./);
    cut += machine.serial.output.includes('cut off.') ? 1 : 0;
    if (round % TOLD_EVERY === 0) console.error(`${round} rounds`);
  }
  follow(machine, told);
  t.diagnostic(
    `from the restore to the echo of a line: ${answerMillis.map((millis) => millis.toFixed(0)).join(', ')} ms`,
  );
  const turns = [...told].map(([load, turn]) => `${turn} of ${load}`);
  t.diagnostic(`turns: ${turns.join(', ')}; ${cut} downloads were cut off`);
  await end(machine);
});
