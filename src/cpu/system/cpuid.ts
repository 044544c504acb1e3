import {
  BRAND,
  type CpuidRegister,
  FEATURES,
  type Feature,
  HYPERVISOR,
  LINEAR_BITS,
  PHYSICAL_BITS,
  SIGNATURE,
  VENDOR,
} from '../../isa/cpuid.ts';
import { CR4, STATE } from '../../isa/registers.ts';
import { is64BitCode, type ProcessorOptions, type SystemContext } from './context.ts';
import { MSR } from './msr-numbers.ts';

/** EAX, EBX, ECX, EDX. */
type Registers = readonly [number, number, number, number];
type Leaf = Registers | ((cpu: SystemContext, subleaf: number) => Registers);

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const ORDER: readonly CpuidRegister[] = ['eax', 'ebx', 'ecx', 'edx'];
const NOTHING: Registers = [0, 0, 0, 0];

/** Bytes of the XSAVE area: x87 and SSE (SDM 1, 13.4). */
const XSAVE_BYTES = 512 + 64;
const CACHE_LINE = 64;
const LAST_BASIC = 0x16;
const LAST_HYPERVISOR = 0x40000010;
const LAST_EXTENDED = 0x80000008;

/** A cache of leaf 4: type 1 data, 2 instructions, 3 both. */
interface Cache {
  readonly type: 1 | 2 | 3;
  readonly level: number;
  readonly ways: number;
  readonly sets: number;
}
const CACHES: readonly Cache[] = [
  { type: 1, level: 1, ways: 8, sets: 64 },
  { type: 2, level: 1, ways: 8, sets: 64 },
  { type: 3, level: 2, ways: 16, sets: 1024 },
];

/** Four characters as a register holds them. */
function word(text: string, at: number): number {
  let value = 0;
  for (let index = 3; index >= 0; index--) value = (value << 8) | (text.charCodeAt(at + index) || 0);
  return value;
}

function brandLeaf(part: number): Registers {
  const at = 16 * part;
  return [word(BRAND, at), word(BRAND, at + 4), word(BRAND, at + 8), word(BRAND, at + 12)];
}

function cacheLeaf({ options }: SystemContext, subleaf: number): Registers {
  const cache = CACHES[subleaf];
  if (!cache) return NOTHING;
  const selfInitialising = 1 << 8;
  const geometry = ((cache.ways - 1) << 22) | (CACHE_LINE - 1);
  const cores = (coresOf(options) - 1) << 26;
  return [cache.type | (cache.level << 5) | selfInitialising | cores, geometry, cache.sets - 1, 0];
}

/** Cores of the one package, each with one thread. */
function coresOf({ cpuCount = 1 }: ProcessorOptions): number {
  return cpuCount;
}

/** Leaf 1: HTT in EDX tells of more than one processor in the package, whose number EBX has. */
function versionLeaf({ port, options }: SystemContext): Registers {
  const cores = coresOf(options);
  const several = cores > 1 ? 1 << 28 : 0;
  return [SIGNATURE, (port.apicId << 24) | (cores << 16) | ((CACHE_LINE / 8) << 8), 0, several];
}

/** Leaf 0Bh: one thread in each core (SDM 2, CPUID). */
function topologyLeaf(cpu: SystemContext, subleaf: number): Registers {
  const cores = coresOf(cpu.options);
  if (subleaf === 0) return [0, 1, 1 << 8, cpu.port.apicId];
  if (subleaf !== 1) return [0, 0, subleaf & 0xff, cpu.port.apicId];
  return [Math.ceil(Math.log2(cores)), cores, (2 << 8) | 1, cpu.port.apicId];
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** Leaf 15h: TSC ticks = crystal ticks × EBX / EAX; ECX is the crystal's frequency, which the APIC timer counts. */
function clockLeaf({ options: { tscHz, apicTimerHz } }: SystemContext): Registers {
  const divisor = greatestDivisor(tscHz, apicTimerHz);
  return [apicTimerHz / divisor, tscHz / divisor, apicTimerHz, 0];
}

function frequencyLeaf({ options: { tscHz } }: SystemContext): Registers {
  const megahertz = Math.round(tscHz / 1e6);
  return [megahertz, megahertz, 100, 0];
}

function stateLeaf(_cpu: SystemContext, subleaf: number): Registers {
  return subleaf === 0 ? [3, XSAVE_BYTES, XSAVE_BYTES, 0] : NOTHING;
}

/** What leaves hold besides feature bits. */
const LEAVES = new Map<number, Leaf>([
  [0, [LAST_BASIC, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]],
  [1, versionLeaf],
  // Descriptor FFh: caches are described by leaf 4.
  [2, [0x0000ff01, 0, 0, 0]],
  [4, cacheLeaf],
  // MONITOR's line; one C1 state.
  [5, [CACHE_LINE, CACHE_LINE, 0, 0x10]],
  [0xb, topologyLeaf],
  [0xd, stateLeaf],
  [0x15, clockLeaf],
  [0x16, frequencyLeaf],
  [0x40000000, [LAST_HYPERVISOR, word(HYPERVISOR, 0), word(HYPERVISOR, 4), word(HYPERVISOR, 8)]],
  // Frequencies of the TSC and of the APIC timer in kHz, where hypervisors agree to tell them.
  [LAST_HYPERVISOR, ({ options }) => [options.tscHz / 1000, options.apicTimerHz / 1000, 0, 0]],
  [0x80000000, [LAST_EXTENDED, 0, 0, 0]],
  [0x80000002, brandLeaf(0)],
  [0x80000003, brandLeaf(1)],
  [0x80000004, brandLeaf(2)],
  // 1 MiB of level-2 cache, 16 ways.
  [0x80000006, [0, 0, (1024 << 16) | (8 << 12) | CACHE_LINE, 0]],
  [0x80000008, [PHYSICAL_BITS | (LINEAR_BITS << 8), 0, 0, 0]],
]);

/** Whether a feature shows at the moment; most always do. */
function isShown(cpu: SystemContext, { name }: Feature): boolean {
  if (name === 'osxsave') return (cpu.state.low(STATE.cr4) & CR4.OSXSAVE) !== 0;
  if (name === 'syscall') return is64BitCode(cpu.state);
  if (name === 'apic') return ((cpu.port.apicRead(MSR.APIC_BASE) ?? 0n) & 0x800n) !== 0n;
  if (name === 'x2apic' || name === 'tscdeadline') return cpu.port.apicRead(MSR.APIC_BASE) !== undefined;
  return true;
}

/** Intel processors answer a leaf beyond the last as they do the last basic one (SDM 2, CPUID). */
function knownLeaf(leaf: number): number {
  const last = leaf >= 0x80000000 ? LAST_EXTENDED : leaf >= 0x40000000 ? LAST_HYPERVISOR : LAST_BASIC;
  return leaf <= last ? leaf : LAST_BASIC;
}

/** The answer of CPUID, as unsigned numbers. */
export function cpuidRegisters(cpu: SystemContext, requested: number, subleaf: number): Registers {
  const leaf = knownLeaf(requested);
  const fixed = LEAVES.get(leaf) ?? NOTHING;
  const registers = [...(typeof fixed === 'function' ? fixed(cpu, subleaf) : fixed)];
  const hasSubleaves = leaf === 7 || leaf === 0xd;
  for (const feature of FEATURES) {
    if (feature.leaf !== leaf || (hasSubleaves && feature.subleaf !== subleaf)) continue;
    if (isShown(cpu, feature)) registers[ORDER.indexOf(feature.register)] |= 1 << feature.bit;
  }
  const [eax, ebx, ecx, edx] = registers.map((value) => value >>> 0);
  return [eax, ebx, ecx, edx];
}

/** CPUID (SDM 2). */
export function cpuid(cpu: SystemContext, leaf: number, subleaf: number): void {
  const [eax, ebx, ecx, edx] = cpuidRegisters(cpu, leaf, subleaf);
  cpu.state.setGpr32(RAX, eax);
  cpu.state.setGpr32(RBX, ebx);
  cpu.state.setGpr32(RCX, ecx);
  cpu.state.setGpr32(RDX, edx);
}
