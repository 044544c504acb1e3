import type { NicModel } from '../../../vm/index.ts';
import type { DiskBus } from '../../drive-options.ts';
import type { Appliance } from './appliance.ts';
import { RESOURCE } from './read-ovf.ts';

// DMTF DSP0243, Open Virtualization Format Specification 1.1.1.

const NAMESPACES = [
  ['xmlns', 'http://schemas.dmtf.org/ovf/envelope/1'],
  ['xmlns:ovf', 'http://schemas.dmtf.org/ovf/envelope/1'],
  ['xmlns:rasd', 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData'],
  ['xmlns:vmw', 'http://www.vmware.com/schema/ovf'],
  ['xmlns:vssd', 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData'],
] as const;
const VMDK_FORMAT = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';
const CONTROLLERS: Readonly<Record<DiskBus, { readonly type: number; readonly subtype: string }>> = {
  ide: { type: RESOURCE.ide, subtype: 'PIIX4' },
  ahci: { type: RESOURCE.otherStorage, subtype: 'AHCI' },
  virtio: { type: RESOURCE.otherStorage, subtype: 'virtio' },
  nvme: { type: RESOURCE.otherStorage, subtype: 'NVMe' },
  scsi: { type: RESOURCE.scsi, subtype: 'VirtIOSCSI' },
};
const CARDS: Readonly<Record<NicModel, string>> = {
  virtio: 'virtio',
  e1000: 'E1000',
  rtl8139: 'RTL8139',
  ne2k: 'NE2000',
};
const UEFI = '      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>';
const FIRST_DEVICE_ID = 10;
const MIB = 2 ** 20;
/** CIM_OperatingSystem.OSType: unknown. */
const OTHER_SYSTEM = 102;

type Properties = Readonly<Record<string, string | number>>;

/** The descriptor of an appliance. Its length does not depend on the lengths of files up to a petabyte. */
export function writeOvf(appliance: Appliance): string {
  const { name, disks, cards } = appliance;
  const id = (index: number) => `disk${index + 1}`;
  const files = disks.map(
    ({ fileName, fileBytes = 0 }, i) =>
      `    <File ovf:id="file${i + 1}" ovf:href="${escapeXml(fileName)}" ovf:size="${fileBytes}"/>${' '.repeat(16 - `${fileBytes}`.length)}`,
  );
  const places = disks.map(
    ({ sizeBytes }, i) =>
      `    <Disk ovf:diskId="${id(i)}" ovf:fileRef="file${i + 1}" ovf:capacity="${sizeBytes}" ovf:capacityAllocationUnits="byte" ovf:format="${VMDK_FORMAT}"/>`,
  );
  const network = '    <Network ovf:name="NAT"><Description>A network with address translation</Description></Network>';
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<Envelope ovf:version="1.0" xml:lang="en-US" ${NAMESPACES.map(([key, value]) => `${key}="${value}"`).join(' ')}>`,
    ...['  <References>', ...files, '  </References>'],
    ...['  <DiskSection>', '    <Info>Virtual disks</Info>', ...places, '  </DiskSection>'],
    ...[
      '  <NetworkSection>',
      '    <Info>Networks</Info>',
      ...(cards.length > 0 ? [network] : []),
      '  </NetworkSection>',
    ],
    `  <VirtualSystem ovf:id="${escapeXml(name)}">`,
    '    <Info>A virtual machine</Info>',
    `    <Name>${escapeXml(name)}</Name>`,
    `    <OperatingSystemSection ovf:id="${OTHER_SYSTEM}"><Info>The guest's system</Info></OperatingSystemSection>`,
    '    <VirtualHardwareSection>',
    '      <Info>Virtual hardware</Info>',
    `      <System>${element('vssd', 'ElementName', 'Virtual Hardware Family')}${element('vssd', 'InstanceID', 0)}${element('vssd', 'VirtualSystemIdentifier', name)}${element('vssd', 'VirtualSystemType', 'vmx-07')}</System>`,
    ...hardware(appliance, id).map(item),
    ...(appliance.needsUefi ? [UEFI] : []),
    '    </VirtualHardwareSection>',
    '  </VirtualSystem>',
    '</Envelope>',
    '',
  ].join('\n');
}

/** The items' properties in the order of the schema, which is that of their names. */
function hardware({ cpuCount, memoryBytes, disks, cards }: Appliance, diskId: (index: number) => string): Properties[] {
  const buses = [...new Set(disks.map(({ bus }) => bus))];
  const controllers = buses.map((bus, i): Properties => {
    const { type, subtype } = CONTROLLERS[bus];
    return { Address: i, ElementName: bus, InstanceID: 3 + i, ResourceSubType: subtype, ResourceType: type };
  });
  const drives = disks.map(({ bus }, i): Properties => {
    return {
      AddressOnParent: disks.slice(0, i).filter((other) => other.bus === bus).length,
      ElementName: diskId(i),
      HostResource: `ovf:/disk/${diskId(i)}`,
      InstanceID: FIRST_DEVICE_ID + i,
      Parent: 3 + buses.indexOf(bus),
      ResourceType: RESOURCE.disk,
    };
  });
  const adapters = cards.map((model, i): Properties => {
    return {
      AutomaticAllocation: 'true',
      Connection: 'NAT',
      ElementName: `ethernet${i}`,
      InstanceID: FIRST_DEVICE_ID + disks.length + i,
      ResourceSubType: CARDS[model],
      ResourceType: RESOURCE.ethernet,
    };
  });
  return [
    { ElementName: 'processors', InstanceID: 1, ResourceType: RESOURCE.processor, VirtualQuantity: cpuCount },
    {
      AllocationUnits: 'byte * 2^20',
      ElementName: 'memory',
      InstanceID: 2,
      ResourceType: RESOURCE.memory,
      VirtualQuantity: Math.ceil(memoryBytes / MIB),
    },
    ...[...controllers, ...drives, ...adapters],
  ];
}

function item(properties: Properties): string {
  const children = Object.entries(properties).map(([name, value]) => element('rasd', name, value));
  return `      <Item>${children.join('')}</Item>`;
}

function element(prefix: string, name: string, value: string | number): string {
  return `<${prefix}:${name}>${escapeXml(`${value}`)}</${prefix}:${name}>`;
}

function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? character);
}
