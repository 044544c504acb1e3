import { DOMParser, type Element } from '@xmldom/xmldom';
import { ImageInvalid } from '../../../disk/interfaces.ts';
import type { NicModel } from '../../../vm/index.ts';
import type { DiskBus } from '../../drive-options.ts';
import type { Appliance, ApplianceDisk } from './appliance.ts';

// DMTF DSP0243, Open Virtualization Format Specification 1.1.1 and 2.1.1; resource types: DMTF CIM_ResourceAllocationSettingData.

/** Values of rasd:ResourceType. */
export const RESOURCE = {
  processor: 3,
  memory: 4,
  ide: 5,
  scsi: 6,
  ethernet: 10,
  disk: 17,
  otherStorage: 20,
} as const;

/** On which bus the disks of a controller go, by its type and, where that says more, its subtype. A guest that expects an LSI
 * or BusLogic controller has drivers for AHCI more likely than for virtio. */
const CONTROLLERS: readonly (readonly [type: number, subtype: RegExp, bus: DiskBus])[] = [
  [RESOURCE.ide, /./, 'ide'],
  [RESOURCE.scsi, /virtio/i, 'scsi'],
  [RESOURCE.scsi, /./, 'ahci'],
  [RESOURCE.otherStorage, /virtio/i, 'virtio'],
  [RESOURCE.otherStorage, /nvme/i, 'nvme'],
  [RESOURCE.otherStorage, /./, 'ahci'],
];
/** Which card stands for a subtype; E1000 for those that there are not. */
const CARDS: readonly (readonly [subtype: RegExp, model: NicModel])[] = [
  [/virtio/i, 'virtio'],
  [/8139/, 'rtl8139'],
  [/ne2/i, 'ne2k'],
  [/./, 'e1000'],
];
const ITEMS = ['Item', 'StorageItem', 'EthernetPortItem'];
const UNIT_WORDS: Readonly<Record<string, number>> = {
  byte: 1,
  kilobytes: 2 ** 10,
  megabytes: 2 ** 20,
  gigabytes: 2 ** 30,
};

/** A resource of the virtual hardware: the texts of its properties by their names. */
type Item = Readonly<Record<string, string>>;

/** Reads a descriptor. @param name what messages call it  @throws {ImageInvalid} it is none, or needs what there is not */
export function readOvf(name: string, text: string): Appliance {
  const envelope = parse(name, text);
  const [system, second] = all(envelope, 'VirtualSystem');
  if (!system || second) throw new ImageInvalid(name, 'it has not one virtual system');
  const items = itemsOf(system);
  const quantities = (type: number) => ofType(items, type).map((item) => quantityOf(name, item));
  return {
    name: textOf(system, 'Name') || attribute(system, 'id') || 'appliance',
    cpuCount: quantities(RESOURCE.processor).reduce((sum, count) => sum + count, 0) || 1,
    memoryBytes: quantities(RESOURCE.memory).reduce((sum, bytes) => sum + bytes, 0),
    disks: ofType(items, RESOURCE.disk).map((item) => diskOf(name, envelope, item, items)),
    cards: ofType(items, RESOURCE.ethernet).map((item) => firstMatch(CARDS, item.ResourceSubType ?? '?')),
    needsUefi: all(system, 'Config').some((config) => /^efi$/i.test(attribute(config, 'value'))),
  };
}

function parse(name: string, text: string): Element {
  const complaints: string[] = [];
  const onError = (level: string, message: string) => void (level !== 'warning' && complaints.push(message));
  let root: Element | null = null;
  try {
    root = new DOMParser({ onError }).parseFromString(text, 'text/xml').documentElement;
  } catch (error) {
    complaints.push((error as Error).message);
  }
  const [why] = complaints;
  if (why !== undefined) throw new ImageInvalid(name, `it is no XML: ${why.split('\n')[0]}`);
  if (root?.localName !== 'Envelope') throw new ImageInvalid(name, 'it is no OVF descriptor');
  return root;
}

function all(element: Element, localName: string): Element[] {
  return [...element.getElementsByTagNameNS('*', localName)];
}

function attribute(element: Element, localName: string): string {
  return [...element.attributes].find((one) => one.localName === localName)?.value ?? '';
}

/** The text of a child. */
function textOf(element: Element, localName: string): string {
  return (
    childrenOf(element)
      .find((child) => child.localName === localName)
      ?.textContent?.trim() ?? ''
  );
}

function childrenOf(element: Element): Element[] {
  return [...element.childNodes].filter((node): node is Element => node.nodeType === node.ELEMENT_NODE);
}

/** The hardware, without what alternative configurations add. */
function itemsOf(system: Element): Item[] {
  const [hardware] = all(system, 'VirtualHardwareSection');
  const elements = hardware ? childrenOf(hardware).filter(({ localName }) => ITEMS.includes(localName ?? '')) : [];
  return elements
    .filter((element) => attribute(element, 'configuration') === '')
    .map((element) =>
      Object.fromEntries(childrenOf(element).map((child) => [child.localName ?? '', child.textContent?.trim() ?? ''])),
    );
}

function ofType(items: readonly Item[], type: number): Item[] {
  return items.filter(({ ResourceType }) => ResourceType === `${type}`);
}

function quantityOf(name: string, { VirtualQuantity = '', AllocationUnits = 'byte', ResourceType }: Item): number {
  const unit = ResourceType === `${RESOURCE.processor}` ? 1 : unitBytes(AllocationUnits);
  return numberOf(name, VirtualQuantity, unit);
}

function numberOf(name: string, digits: string, unit: number): number {
  const value = /^\d{1,15}$/.test(digits) ? Number(digits) * unit : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new ImageInvalid(name, `found a size of ${JSON.stringify(digits.slice(0, 40))}`);
  return value;
}

/** Bytes of a unit such as `byte * 2^20` (DSP0004, programmatic units), or a word of older descriptors. */
function unitBytes(text: string): number {
  const [, base, exponent] = /^byte\s*\*\s*(\d+)\s*\^\s*(\d{1,2})$/.exec(text) ?? [];
  return base === undefined ? (UNIT_WORDS[text.toLowerCase()] ?? Number.NaN) : Number(base) ** Number(exponent);
}

function diskOf(name: string, envelope: Element, item: Item, items: readonly Item[]): ApplianceDisk {
  const id = /^(?:ovf:)?\/(?:disk)\/(.+)$/.exec(item.HostResource ?? '')?.[1];
  const disk = all(envelope, 'Disk').find((one) => attribute(one, 'diskId') === id);
  const file = disk && all(envelope, 'File').find((one) => attribute(one, 'id') === attribute(disk, 'fileRef'));
  if (!id || !disk || !file) throw new ImageInvalid(name, 'one of its disks has no file');
  if (attribute(file, 'compression') || attribute(file, 'chunkSize')) {
    throw new ImageInvalid(name, 'its files are compressed or cut into pieces, which this version does not support');
  }
  if (attribute(disk, 'parentRef')) throw new ImageInvalid(name, 'one of its disks lies on another');
  const fileBytes = attribute(file, 'size');
  const unit = unitBytes(attribute(disk, 'capacityAllocationUnits') || 'byte');
  return {
    fileName: attribute(file, 'href'),
    ...(fileBytes !== '' && { fileBytes: numberOf(name, fileBytes, 1) }),
    sizeBytes: numberOf(name, attribute(disk, 'capacity'), unit),
    bus: busOf(items.find(({ InstanceID }) => InstanceID === item.Parent)),
  };
}

function busOf(controller: Item | undefined): DiskBus {
  const type = Number(controller?.ResourceType);
  const subtype = controller?.ResourceSubType ?? '?';
  const row = CONTROLLERS.find(([wanted, pattern]) => wanted === type && pattern.test(subtype));
  return row?.[2] ?? 'ide';
}

function firstMatch<Value>(table: readonly (readonly [RegExp, Value])[], text: string): Value {
  const row = table.find(([pattern]) => pattern.test(text)) ?? table[table.length - 1];
  return row[1];
}
