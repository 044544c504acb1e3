import assert from 'node:assert/strict';
import { it } from 'node:test';
import { concatenate } from '../src/base/bytes.ts';
import { nodeNetHost } from '../src/host/node/net-host.ts';
import { zstdCodec } from '../src/host/node/snapshot-files.ts';
import { nodeTime } from '../src/host/node/time.ts';
import { UserNetwork } from '../src/net/user-network.ts';
import { MemorySink, MemorySource, SnapshotFile, Vm, type VmConfig } from '../src/vm/index.ts';
import { debianBusybox, debianKernel } from './guests/debian.ts';
import { packInitramfs } from './guests/initramfs.ts';
import { TestSerial } from './guests/machine.ts';
import { debianModules, LOAD_MODULES } from './guests/modules.ts';
import { cardOf, GET_LEASE } from './guests/network-guest.ts';

const KERNEL = 'linux-image-amd64';
const ROUNDS = Number(process.env.VITRINE_SNAPSHOT_ROUNDS ?? 2);

/** Compresses, copies and compares without end, and answers lines meanwhile. */
const SCRIPT = `
${GET_LEASE}
cd /tmp
head -c 1000000 /dev/urandom > base
cat base base | sha256sum > wanted
work() {
  turn=0
  while :; do
    gzip -c base | gunzip > copy
    cat base copy | sha256sum > found
    cmp -s wanted found || echo "WRONG in turn $turn"
    turn=$((turn + 1)); echo "turn $turn."
  done
}
work &
echo "busy:"
while read line; do
  echo "answer: $line $(ping -c 1 10.0.2.2 | grep -c '1 packets received')," \
    "$(dmesg | grep -c 'crng reseeded due to virtual machine fork') times copied"
done
`;

interface Machine {
  readonly vm: Vm;
  readonly serial: TestSerial;
  readonly network: UserNetwork;
}

/** @param seed another one makes it another machine */
async function makeMachine(boot: Pick<VmConfig, 'kernel' | 'initrd' | 'snapshot'>, seed: number): Promise<Machine> {
  const serial = new TestSerial();
  let network: UserNetwork | undefined;
  const card = cardOf('virtio', (clock) => {
    network = new UserNetwork({ host: nodeNetHost, clock, seed: 1n });
    return network.port;
  });
  const vm = await Vm.create({
    ...boot,
    memoryBytes: 192 << 20,
    commandLine: 'console=ttyS0 quiet net.ifnames=0 no_timer_check panic=-1',
    clock: 'host',
    seed: BigInt(seed),
    noReboot: true,
    serial: [serial],
    networks: [card],
    host: nodeTime,
  });
  if (!network) throw new Error('the card has no cable');
  void vm.run();
  return { vm, serial, network };
}

async function seen({ vm, serial }: Machine, pattern: RegExp): Promise<RegExpMatchArray> {
  for (;;) {
    const match = pattern.exec(serial.output);
    if (match) return match;
    assert.equal(vm.status, 'running', serial.output);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The numbers of the turns that a machine has told of. */
const turnsOf = ({ serial }: Machine) => [...serial.output.matchAll(/turn (\d+)\./g)].map(([, turn]) => Number(turn));

/** Saves a machine as it runs, and ends it. */
async function save({ vm, network }: Machine): Promise<SnapshotFile> {
  const sink = new MemorySink();
  await vm.snapshot(sink, { codec: zstdCodec });
  await vm.pause();
  network.close();
  return SnapshotFile.open(new MemorySource(sink.bytes()), [zstdCodec]);
}

it(`a busy Linux guest goes on through ${ROUNDS} saves and restores`, { timeout: 3_600_000 }, async (t) => {
  let boot: Pick<VmConfig, 'kernel' | 'initrd'>;
  try {
    const [kernel, busybox, modules] = await Promise.all([
      debianKernel('amd64', KERNEL),
      debianBusybox('amd64'),
      debianModules('amd64', KERNEL, ['virtio_pci', 'virtio_net', 'af_packet']),
    ]);
    boot = { kernel, initrd: concatenate([packInitramfs(busybox, `${LOAD_MODULES}\n${SCRIPT}`), modules]) };
  } catch (error) {
    return t.skip((error as Error).message);
  }
  let machine = await makeMachine(boot, 0);
  await seen(machine, /turn 2\./);
  const answerMillis: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    await new Promise((resolve) => setTimeout(resolve, (round * 37) % 100));
    const snapshot = await save(machine);
    const last = turnsOf(machine).at(-1) ?? 0;
    const began = performance.now();
    machine = await makeMachine({ snapshot }, round);
    machine.serial.type(`round ${round}\n`);
    await seen(machine, new RegExp(`round ${round}`));
    answerMillis.push(performance.now() - began);
    await seen(machine, new RegExp(`answer: round ${round} 1, ${round} times copied`));
    await seen(machine, /turn \d+\./);
    assert.ok(turnsOf(machine)[0] <= last + 1, `turn ${turnsOf(machine)[0]} follows ${last}`);
    assert.doesNotMatch(machine.serial.output, /WRONG|BUG|Oops|lockup|panic|Call Trace/);
  }
  t.diagnostic(
    `from the restore to the echo of a line: ${answerMillis.map((millis) => millis.toFixed(0)).join(', ')} ms`,
  );
  await machine.vm.pause();
  machine.network.close();
});
