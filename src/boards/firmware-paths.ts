import { PC_CARD_SLOTS, PC_SLOT } from './pc-map.ts';

/*
 * Paths of devices in Open Firmware's notation (IEEE 1275, PCI bus binding), with the names that QEMU uses: firmware
 * translates them into its own. Numbers are hexadecimal.
 */

/** The path of a drive on the IDE controller. @param place 0 for the master, 1 for the slave */
export function idePath(channel: number, place: number): string {
  return `${pciPath('ide', PC_SLOT.ide)}/drive@${channel}/disk@${place}`;
}

/** The path of a floppy drive, from 0. */
export function floppyPath(index: number): string {
  return `${pciPath('isa', PC_SLOT.isaBridge)}/fdc@03f0/floppy@${index}`;
}

/** The path of the nth disk, from 0, on a controller that is plugged into slots. */
export const CARD_DISK_PATH: Readonly<Record<'ahci' | 'virtio' | 'nvme', (index: number) => string>> = {
  ahci: (index) => `${cardPath('pci8086,2922', PC_CARD_SLOTS.ahci[0])}/drive@${index.toString(16)}/disk@0`,
  virtio: (index) => `${cardPath('scsi', PC_CARD_SLOTS.virtioDisk[index])}/disk@0,0`,
  nvme: (index) => `${cardPath('pci1b36,10', PC_CARD_SLOTS.nvme[index])}/namespace@1,0`,
};

/** The path of a disk or CD drive on the SCSI controller. */
export function scsiPath(target: number): string {
  return `${cardPath('scsi', PC_CARD_SLOTS.scsi[0])}/channel@0/disk@${target.toString(16)},0`;
}

/** The path of the network card in a slot. */
export function networkPath(slot: number): string {
  return `${cardPath('ethernet', slot)}/ethernet-phy@0`;
}

function cardPath(name: string, slot: number): string {
  return pciPath(name, [slot, 0]);
}

function pciPath(name: string, [slot, part]: readonly [slot: number, func: number]): string {
  return `/pci@i0cf8/${name}@${slot.toString(16)}${part === 0 ? '' : `,${part}`}`;
}
