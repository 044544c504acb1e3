import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostWork } from '../machine/host-work.ts';
import { ManualClock } from '../machine/manual-clock.ts';
import { TestDisk } from '../machine/test-disk.case.ts';
import { makeDrives, type PcDrive } from './drives.ts';
import { type BootMedium, bootOrderFile } from './firmware-boot.ts';

test('firmware is told of all that the order names by paths in the form of QEMU', () => {
  const medium = new TestDisk(1 << 20);
  const drive = (kind: PcDrive['kind'], bus: PcDrive['bus']): PcDrive => ({ kind, bus, name: bus, medium });
  const kinds = ['ide', 'ide', 'ide', 'ahci', 'virtio', 'nvme', 'scsi'] as const;
  const drives = [...kinds.map((bus) => drive('disk', bus)), drive('cdrom', 'scsi')];
  const { bays } = makeDrives(drives, new HostWork(new ManualClock(), 'arrival'));
  const file = (...order: readonly BootMedium[]) => new TextDecoder().decode(bootOrderFile(order, bays));
  assert.equal(file('floppy'), '/pci@i0cf8/isa@1/fdc@03f0/floppy@0\0');
  assert.equal(
    file('cd', 'disk'),
    [
      '/pci@i0cf8/ide@1,1/drive@1/disk@0',
      '/pci@i0cf8/scsi@14/channel@0/disk@1,0',
      '/pci@i0cf8/ide@1,1/drive@0/disk@0',
      '/pci@i0cf8/ide@1,1/drive@0/disk@1',
      '/pci@i0cf8/ide@1,1/drive@1/disk@1',
      '/pci@i0cf8/pci8086,2922@7/drive@0/disk@0',
      '/pci@i0cf8/scsi@8/disk@0,0',
      '/pci@i0cf8/pci1b36,10@16/namespace@1,0',
      '/pci@i0cf8/scsi@14/channel@0/disk@0,0\0',
    ].join('\n'),
  );
  assert.match(file('net'), /^\/pci@i0cf8\/ethernet@3\/ethernet-phy@0\n/);
});
