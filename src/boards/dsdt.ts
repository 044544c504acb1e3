import { GPI_EVENT } from '../devices/piix4-pm/pm-registers.ts';
import {
  type Aml,
  busRange,
  device,
  eisaId,
  integer,
  irq,
  memoryRange,
  method,
  name,
  notify,
  packageOf,
  portRange,
  ports,
  resources,
  scope,
  string,
} from './aml.ts';
import { PC_IRQ, PC_MEMORY, PC_PIRQ, PC_PORTS, PC_SLOT, pirqOf } from './pc-map.ts';

/** An ISA chip: its name and identity, and what it decodes. */
interface IsaChip {
  readonly name: string;
  /** an EISA identity, or an ACPI one of eight characters */
  readonly id: string;
  readonly uid?: number;
  readonly ports: readonly (readonly [base: number, length: number])[];
  readonly irqs: readonly number[];
}

const ISA_CHIPS: readonly IsaChip[] = [
  { name: 'COM1', id: 'PNP0501', uid: 1, ports: [PC_PORTS.uart1], irqs: [PC_IRQ.uart1] },
  { name: 'COM2', id: 'PNP0501', uid: 2, ports: [PC_PORTS.uart2], irqs: [PC_IRQ.uart2] },
  { name: 'RTC', id: 'PNP0B00', ports: [PC_PORTS.rtc], irqs: [PC_IRQ.rtc] },
  { name: 'KBD', id: 'PNP0303', ports: [PC_PORTS.keyboardData, PC_PORTS.keyboardCommand], irqs: [PC_IRQ.keyboard] },
  { name: 'MOU', id: 'PNP0F13', ports: [], irqs: [PC_IRQ.mouse] },
  { name: 'PEVT', id: 'QEMU0001', ports: [PC_PORTS.pvpanic], irqs: [] },
  { name: 'FWCF', id: 'QEMU0002', ports: [PC_PORTS.fwCfg], irqs: [] },
  { name: 'PWRM', id: 'PNP0C02', uid: 1, ports: [PC_PORTS.powerManagement], irqs: [] },
];

const PARALLEL: IsaChip = { name: 'LPT1', id: 'PNP0400', ports: [PC_PORTS.parallel], irqs: [PC_IRQ.parallel] };

/** Present, enabled, shown and working (ACPI 6.5 section 6.3.7). */
const STATUS_WORKING = 0x0f;
const STATUS_HIDDEN = 0x0b;
/** The generation ID's device, and what it notifies of. */
const GENERATION_ID = '\\_SB.VGEN';
const GENERATION_ID_CHANGED = 0x80;
const SLOTS = 32;
const PINS = 4;

/** The body of the DSDT: the host bridge with its interrupts, the chips behind the ISA bridge, the processors, and S5. */
export function buildDsdt(cpuCount: number, parallel = false): Uint8Array {
  return Uint8Array.from([
    ...name('_S5', packageOf(integer(0), integer(0), integer(0), integer(0))),
    ...scope(
      '_SB',
      hostBridge(parallel ? [...ISA_CHIPS, PARALLEL] : ISA_CHIPS),
      generationId(),
      ...Array.from({ length: cpuCount }, (_, cpu) => processor(cpu)),
    ),
    ...scope('_GPE', method(`_E${hex(GPI_EVENT)}`, notify(GENERATION_ID, GENERATION_ID_CHANGED))),
  ]);
}

function hostBridge(chips: readonly IsaChip[]): Aml {
  return device(
    'PCI0',
    name('_HID', eisaId('PNP0A03')),
    name('_UID', integer(0)),
    name(
      '_CRS',
      resources(
        busRange(0, 0xff),
        ports(...PC_PORTS.pciConfig),
        portRange(0x0000, PC_PORTS.pciConfig[0] - 1),
        portRange(PC_PORTS.pciConfig[0] + PC_PORTS.pciConfig[1], 0xffff),
        memoryRange(PC_MEMORY.vga, 0xbffff),
        memoryRange(PC_MEMORY.pciHole, PC_MEMORY.pciHoleEnd - 1),
      ),
    ),
    name('_PRT', packageOf(...interruptRoutes())),
    isaBridge(chips),
  );
}

/** A route for each pin of each slot: address, pin, no link device, global interrupt (ACPI 6.5 section 6.2.13). */
function interruptRoutes(): Aml[] {
  const routes: Aml[] = [];
  for (let slot = 1; slot < SLOTS; slot++) {
    for (let pin = 0; pin < PINS; pin++) {
      const interrupt = PC_PIRQ[pirqOf(slot, pin)];
      routes.push(packageOf(integer(slot * 0x10000 + 0xffff), integer(pin), integer(0), integer(interrupt)));
    }
  }
  return routes;
}

function isaBridge(chips: readonly IsaChip[]): Aml {
  const [slot, fn] = PC_SLOT.isaBridge;
  return device('ISA', name('_ADR', integer(slot * 0x10000 + fn)), ...chips.map(isaChip));
}

function isaChip(chip: IsaChip): Aml {
  const hidden = chip.id === 'PNP0C02' || chip.id.startsWith('QEMU');
  return device(
    chip.name,
    name('_HID', chip.id.length === 7 ? eisaId(chip.id) : string(chip.id)),
    ...(chip.uid === undefined ? [] : [name('_UID', integer(chip.uid))]),
    name('_STA', integer(hidden ? STATUS_HIDDEN : STATUS_WORKING)),
    name('_CRS', resources(...chip.ports.map(([base, length]) => ports(base, length)), ...chip.irqs.map(irq))),
  );
}

/** Where the generation ID lies, found by its compatible identities and its name for people ("Virtual Machine Generation ID"). */
function generationId(): Aml {
  return device(
    'VGEN',
    name('_HID', string('VTRN0001')),
    name('_CID', packageOf(string('VM_Gen_Counter'), string('VMGENCTR'))),
    name('_DDN', string('VM_Gen_Counter')),
    name('ADDR', packageOf(integer(PC_MEMORY.generationId), integer(0))),
  );
}

/** Two digits. */
function hex(number: number): string {
  return number.toString(16).toUpperCase().padStart(2, '0');
}

function processor(cpu: number): Aml {
  return device(`CP${hex(cpu)}`, name('_HID', string('ACPI0007')), name('_UID', integer(cpu)));
}
