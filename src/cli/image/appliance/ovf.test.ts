import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Appliance } from './appliance.ts';
import { readOvf } from './read-ovf.ts';
import { writeOvf } from './write-ovf.ts';

const MIB = 2 ** 20;
const OVF1 = 'http://schemas.dmtf.org/ovf/envelope/1';

/** A descriptor with one system of these items, in the prefixes of some programs. */
function descriptor(items: string, more: { files?: string; disks?: string; namespace?: string } = {}): string {
  const { files = '<File ovf:id="f" ovf:href="a.vmdk"/>', namespace = OVF1 } = more;
  const {
    disks = '<Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="8" ovf:capacityAllocationUnits="byte * 2^30"/>',
  } = more;
  return `<?xml version="1.0"?><Envelope xmlns="${namespace}" xmlns:ovf="${namespace}" xmlns:rasd="r" xmlns:sasd="s" xmlns:epasd="e" xmlns:vmw="v">
    <References>${files}</References><DiskSection><Info/>${disks}</DiskSection>
    <VirtualSystem ovf:id="machine"><Info/><VirtualHardwareSection><Info/>${items}</VirtualHardwareSection></VirtualSystem></Envelope>`;
}

function item(
  properties: Readonly<Record<string, string | number>>,
  tag = 'Item',
  prefix = 'rasd',
  attributes = '',
): string {
  const children = Object.entries(properties).map(([name, value]) => `<${prefix}:${name}>${value}</${prefix}:${name}>`);
  return `<${tag}${attributes}>${children.join('')}</${tag}>`;
}

const DISK = item({ HostResource: 'ovf:/disk/d', InstanceID: 9, Parent: 3, ResourceType: 17 });
const controller = (type: number, subtype: string) =>
  item({ InstanceID: 3, ResourceSubType: subtype, ResourceType: type });

describe('an OVF descriptor', () => {
  it('says what was written into it', () => {
    const appliance: Appliance = {
      name: 'a-name',
      cpuCount: 3,
      memoryBytes: 768 * MIB,
      disks: [
        { fileName: 'one.vmdk', fileBytes: 123_456, sizeBytes: 5 * MIB, bus: 'ide' },
        { fileName: 'two & "three".vmdk', fileBytes: 9, sizeBytes: 2 ** 40, bus: 'scsi' },
        { fileName: 'four.vmdk', fileBytes: 1, sizeBytes: 512, bus: 'virtio' },
        { fileName: 'five.vmdk', fileBytes: 1, sizeBytes: 512, bus: 'nvme' },
        { fileName: 'six.vmdk', fileBytes: 1, sizeBytes: 512, bus: 'ahci' },
      ],
      cards: ['virtio', 'e1000', 'rtl8139', 'ne2k'],
      needsUefi: true,
    };
    assert.deepEqual(readOvf('a', writeOvf(appliance)), appliance);
    const bare = { ...appliance, disks: [], cards: [], needsUefi: false };
    assert.deepEqual(readOvf('a', writeOvf(bare)), bare);
  });

  it('has a length that does not depend on those of files', () => {
    const of = (fileBytes: number) => {
      const disks = [{ fileName: 'a', fileBytes, sizeBytes: 512, bus: 'ide' as const }];
      return writeOvf({ name: 'a', cpuCount: 1, memoryBytes: MIB, disks, cards: [], needsUefi: false }).length;
    };
    assert.equal(of(1), of(1_000_000_000_000));
  });

  it('may count memory in the words and units of several programs', () => {
    for (const [units, quantity, mib] of [
      ['MegaBytes', 512, 512],
      ['byte * 2^20', 512, 512],
      ['byte * 2^30', 4, 4096],
      ['GigaBytes', 2, 2048],
      ['byte', 134_217_728, 128],
    ] as const) {
      const memory = item({ AllocationUnits: units, ResourceType: 4, VirtualQuantity: quantity });
      assert.equal(readOvf('a', descriptor(memory)).memoryBytes, mib * MIB, units);
    }
  });

  it('puts disks on the controllers that there are', () => {
    for (const [type, subtype, bus] of [
      [5, 'PIIX4', 'ide'],
      [6, 'lsilogic', 'ahci'],
      [6, 'VirtualSCSI', 'ahci'],
      [6, 'virtio-scsi', 'scsi'],
      [20, 'AHCI', 'ahci'],
      [20, 'vmware.nvme.controller', 'nvme'],
      [23, 'usb', 'ide'],
    ] as const) {
      const [disk] = readOvf('a', descriptor(controller(type, subtype) + DISK)).disks;
      assert.deepEqual(disk, { fileName: 'a.vmdk', sizeBytes: 8 * 2 ** 30, bus }, subtype);
    }
  });

  it('of version 2 has items of more kinds, and alternative ones', () => {
    const items = [
      item({ ResourceType: 3, VirtualQuantity: 2 }),
      item({ ResourceType: 3, VirtualQuantity: 8 }, 'Item', 'rasd', ' ovf:configuration="large"'),
      controller(20, 'AHCI'),
      item({ HostResource: '/disk/d', Parent: 3, ResourceType: 17 }, 'StorageItem', 'sasd'),
      item({ ResourceSubType: 'VmxNet3', ResourceType: 10 }, 'EthernetPortItem', 'epasd'),
      item({ ResourceSubType: 'PCNet32', ResourceType: 10 }, 'EthernetPortItem', 'epasd'),
    ];
    const found = readOvf('a', descriptor(items.join(''), { namespace: 'http://schemas.dmtf.org/ovf/envelope/2' }));
    assert.deepEqual(found, {
      name: 'machine',
      cpuCount: 2,
      memoryBytes: 0,
      disks: [{ fileName: 'a.vmdk', sizeBytes: 8 * 2 ** 30, bus: 'ahci' }],
      cards: ['e1000', 'e1000'],
      needsUefi: false,
    });
  });

  for (const [what, text, why] of [
    ['no XML', 'nothing', /no XML/],
    ['XML that does not end', '<Envelope><a>', /no XML/],
    ['other XML', '<html/>', /no OVF descriptor/],
    [
      'entities of its own',
      `<!DOCTYPE a [<!ENTITY b "c">]>${descriptor('<Item>&b;&b;</Item>')}`,
      /no XML|not supported/,
    ],
    ['no system', '<Envelope/>', /not one virtual system/],
    ['a disk without a file', descriptor(DISK, { files: '' }), /no file/],
    ['a disk that is not there', descriptor(DISK, { disks: '' }), /no file/],
    [
      'compressed files',
      descriptor(DISK, { files: '<File ovf:id="f" ovf:href="a" ovf:compression="gzip"/>' }),
      /compressed/,
    ],
    ['a size that is none', descriptor(item({ ResourceType: 4, VirtualQuantity: '-1' })), /found a size of "-1"/],
    [
      'a size beyond all',
      descriptor(item({ AllocationUnits: 'byte * 2^99', ResourceType: 4, VirtualQuantity: 1 })),
      /found a size/,
    ],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(
        () => readOvf('name', text),
        (error: Error) => why.test(error.message) && !error.message.includes('\n'),
      );
    });
  }
});
