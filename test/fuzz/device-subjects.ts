import { Ac97 } from '../../src/devices/ac97/ac97.ts';
import { ScsiCdrom } from '../../src/devices/atapi-cdrom/scsi-cdrom.ts';
import { E1000 } from '../../src/devices/e1000/e1000.ts';
import { REG as E1000_REG } from '../../src/devices/e1000/registers.ts';
import { Ne2000Pci } from '../../src/devices/ne2000/ne2000-pci.ts';
import { REG as RTL8139_REG } from '../../src/devices/rtl8139/registers.ts';
import { Rtl8139 } from '../../src/devices/rtl8139/rtl8139.ts';
import { ScsiDisk } from '../../src/devices/scsi-disk/scsi-disk.ts';
import { VirtioBalloon } from '../../src/devices/virtio/balloon.ts';
import { VirtioBlock } from '../../src/devices/virtio/block.ts';
import { VirtioConsole } from '../../src/devices/virtio/console.ts';
import { VirtioInput } from '../../src/devices/virtio/input.ts';
import { TABLET } from '../../src/devices/virtio/input-devices.ts';
import { VirtioNet } from '../../src/devices/virtio/net.ts';
import { VirtioNinep } from '../../src/devices/virtio/ninep/ninep.ts';
import { NinepServer } from '../../src/devices/virtio/ninep/server.ts';
import { VirtioRng } from '../../src/devices/virtio/rng.ts';
import { VirtioScsi } from '../../src/devices/virtio/scsi.ts';
import type { VirtioDevice } from '../../src/devices/virtio/virtio-device.ts';
import { VirtioPci } from '../../src/devices/virtio/virtio-pci.ts';
import { TestVsockHost } from '../../src/devices/virtio/vsock/test-host.case.ts';
import { VirtioVsock } from '../../src/devices/virtio/vsock/vsock.ts';
import { DiskQueue } from '../../src/machine/disk-queue.ts';
import type { PciSlot } from '../../src/machine/pci-slot.ts';
import type { FileFacts, SharedFolder } from '../../src/machine/shared-folder.ts';
import { TestDisk } from '../../src/machine/test-disk.case.ts';
import type { TestNet } from '../../src/machine/test-net.case.ts';
import { BOARD_SUBJECTS } from './board-subjects.ts';
import { FUZZED_VOICE, makeParallelPort, makeSb16, makeSpeaker } from './chip-card.ts';
import { gpuSubject } from './gpu-subject.ts';
import type { HostileSubject } from './hostile-device.ts';
import { nvmeSubject } from './nvme-subject.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const DISK_BYTES = 1 << 20;
const VIRTIO_BAR = 4;

/** Offsets of virtio's registers: common configuration, ISR, device configuration, notifications, legacy ports. */
const VIRTIO_REGISTERS = [
  ...Array.from({ length: 0x20 }, (_, index) => index * 2),
  0x1000,
  ...Array.from({ length: 16 }, (_, index) => 0x2000 + index * 4),
  ...[0, 1, 2, 3].map((queue) => 0x3000 + queue * 4),
];

function virtio(
  name: string,
  make: (slot: PciSlot, net: TestNet) => VirtioDevice,
  poke?: HostileSubject['poke'],
): HostileSubject {
  const plug = (slot: PciSlot, net: TestNet) => new VirtioPci(make(slot, net), slot);
  return { name, make: plug, registers: VIRTIO_REGISTERS, virtioBar: VIRTIO_BAR, poke };
}

const FACTS: FileFacts = {
  kind: 'folder',
  mode: 0o040755,
  uid: 0,
  gid: 0,
  links: 1,
  sizeBytes: 10,
  blocks: 1,
  identity: 1n,
  accessedNanos: 0n,
  modifiedNanos: 0n,
  changedNanos: 0n,
};

/** A folder that has everything, and forgets everything. */
function endlessFolder(): SharedFolder {
  const file = {
    read: () => 5,
    write: (_: number, source: Uint8Array) => source.length,
    facts: () => FACTS,
    change() {},
    sync() {},
    close() {},
  };
  return {
    facts: (path) => ({ ...FACTS, kind: path.length % 2 ? 'file' : 'folder' }),
    list: () => Array.from({ length: 100 }, (_, index) => `name-${index}`),
    readLink: () => 'target',
    open: () => file,
    create: () => file,
    makeFolder() {},
    makeSymbolicLink() {},
    link() {},
    rename() {},
    removeFile() {},
    removeFolder() {},
    change() {},
    space: () => ({ blockBytes: 4096, blocks: 1, freeBlocks: 1, availableBlocks: 1, files: 1, freeFiles: 1 }),
  };
}

function consoleSubject(): HostileSubject {
  const listeners: (() => void)[] = [];
  let turn = 0;
  const outside = () => ({
    send: () => turn++ % 7 !== 0,
    take: (most: number) => new Uint8Array(Math.min(most, turn++ % 300)),
    opened() {},
    onChange: (listener: () => void) => void listeners.push(listener),
  });
  const make = () => new VirtioConsole([{ outside: outside() }, { name: 'agent', outside: outside() }]);
  return virtio('virtio-console', make, (below) => listeners[below(listeners.length)]?.());
}

function balloonSubject(): HostileSubject {
  let balloon: VirtioBalloon | undefined;
  const make = (slot: PciSlot) => {
    balloon = new VirtioBalloon(slot.memory);
    return balloon;
  };
  return virtio('virtio-balloon', make, (below) =>
    below(2) ? balloon?.setTarget(below(2 ** 30)) : balloon?.requestStatistics(),
  );
}

function inputSubject(): HostileSubject {
  let input: VirtioInput | undefined;
  const make = () => {
    input = new VirtioInput(TABLET);
    return input;
  };
  return virtio('virtio-input', make, (below) => input?.send([[3, below(2), below(32768)]]));
}

/** Its address is one of the numbers that the guest's requests are made of. */
function vsockSubject(): HostileSubject {
  let host = new TestVsockHost();
  const make = () => {
    host = new TestVsockHost();
    return new VirtioVsock({ cid: 3, host });
  };
  return virtio('virtio-vsock', make, (below) => {
    if (below(4) === 0) host.call(below(16));
    host.streams[below(host.streams.length || 1)]?.happen(below);
  });
}

/** Every device that is fuzzed. */
export const DEVICE_SUBJECTS: readonly HostileSubject[] = [
  virtio('virtio-rng', () => new VirtioRng((target) => target.fill(7))),
  virtio('virtio-block', (slot) => new VirtioBlock(new DiskQueue(new TestDisk(DISK_BYTES), slot.hostWork), 'fuzz')),
  virtio('virtio-scsi', (slot) => {
    const disk = () => new DiskQueue(new TestDisk(DISK_BYTES), slot.hostWork);
    return new VirtioScsi([new ScsiDisk(disk(), 'fuzz'), new ScsiCdrom(disk())]);
  }),
  virtio('virtio-net', (slot, net) => new VirtioNet(net, MAC, slot.clock)),
  virtio('virtio-9p', () => {
    const owner = { uid: 0, gid: 0 };
    return new VirtioNinep(new NinepServer({ folder: endlessFolder(), readOnly: false, owner }), 'fuzz');
  }),
  consoleSubject(),
  balloonSubject(),
  inputSubject(),
  vsockSubject(),
  gpuSubject(VIRTIO_REGISTERS, VIRTIO_BAR),
  { name: 'e1000', make: (slot, net) => new E1000(net, MAC, slot), registers: [...Object.values(E1000_REG), 0, 4] },
  { name: 'rtl8139', make: (slot, net) => new Rtl8139(net, MAC, slot), registers: Object.values(RTL8139_REG) },
  {
    name: 'ne2000',
    make: (slot, net) => new Ne2000Pci(net, MAC, slot),
    registers: Array.from({ length: 0x20 }, (_, index) => index),
  },
  {
    name: 'ac97',
    make: (slot) => new Ac97(FUZZED_VOICE, slot),
    registers: Array.from({ length: 0x40 }, (_, index) => index),
  },
  nvmeSubject(),
  { name: 'sb16', make: makeSb16, registers: Array.from({ length: 0x10 }, (_, index) => index).concat(12, 12, 12, 12) },
  { name: 'parallel port', make: makeParallelPort, registers: [0, 1, 2] },
  { name: 'speaker', make: makeSpeaker, registers: [0, 1, 2, 2, 3] },
  ...BOARD_SUBJECTS,
];
