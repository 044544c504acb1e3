/** What CPUID says: which features the processor has, under the names that rows use, and what does not change. */

export type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';

/** A feature bit. */
export interface Feature {
  readonly name: string;
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
}

/** Width of physical and of linear addresses in bits. */
export const PHYSICAL_BITS = 40;
export const LINEAR_BITS = 48;

/**
 * Family 6, model 36h, stepping 1: like that in-order core, this processor executes nothing speculatively, and
 * kernels that know the model choose no mitigations.
 */
export const SIGNATURE = 0x00030661;
export const VENDOR = 'GenuineIntel';
export const BRAND = 'Vitrine virtual CPU';
/** Vendor of the hypervisor leaves. */
export const HYPERVISOR = 'VitrineVitri';

/** The features, a line each: name, leaf, subleaf, register, bit (SDM 2, CPUID). */
const FEATURE_TABLE = `
sse3         1        0 ecx 0
pclmulqdq    1        0 ecx 1
monitor      1        0 ecx 3
ssse3        1        0 ecx 9
cx16         1        0 ecx 13
pcid         1        0 ecx 17
sse41        1        0 ecx 19
sse42        1        0 ecx 20
x2apic       1        0 ecx 21
movbe        1        0 ecx 22
popcnt       1        0 ecx 23
tscdeadline  1        0 ecx 24
aes          1        0 ecx 25
xsave        1        0 ecx 26
osxsave      1        0 ecx 27
rdrand       1        0 ecx 30
hypervisor   1        0 ecx 31
fpu          1        0 edx 0
vme          1        0 edx 1
de           1        0 edx 2
pse          1        0 edx 3
tsc          1        0 edx 4
msr          1        0 edx 5
pae          1        0 edx 6
mce          1        0 edx 7
cx8          1        0 edx 8
apic         1        0 edx 9
sep          1        0 edx 11
mtrr         1        0 edx 12
pge          1        0 edx 13
mca          1        0 edx 14
cmov         1        0 edx 15
pat          1        0 edx 16
pse36        1        0 edx 17
clfsh        1        0 edx 19
mmx          1        0 edx 23
fxsr         1        0 edx 24
sse          1        0 edx 25
sse2         1        0 edx 26
ss           1        0 edx 27
arat         6        0 eax 2
fsgsbase     7        0 ebx 0
tscadjust    7        0 ebx 1
fdpexcptn    7        0 ebx 6
smep         7        0 ebx 7
erms         7        0 ebx 9
invpcid      7        0 ebx 10
zerofcsfds   7        0 ebx 13
rdseed       7        0 ebx 18
smap         7        0 ebx 20
umip         7        0 ecx 2
mdclear      7        0 edx 10
ibrs         7        0 edx 26
stibp        7        0 edx 27
archcaps     7        0 edx 29
ssbd         7        0 edx 31
xsaveopt     d        1 eax 0
lahf         80000001 0 ecx 0
prefetchw    80000001 0 ecx 8
syscall      80000001 0 edx 11
nx           80000001 0 edx 20
page1gb      80000001 0 edx 26
rdtscp       80000001 0 edx 27
lm           80000001 0 edx 29
invtsc       80000007 0 edx 8
`;

function readFeature(line: string): Feature {
  const [name, leaf, subleaf, register, bit] = line.split(/ +/);
  return {
    name,
    leaf: Number.parseInt(leaf, 16),
    subleaf: Number(subleaf),
    register: register as CpuidRegister,
    bit: Number(bit),
  };
}

/** Every feature that the processor has. */
export const FEATURES: readonly Feature[] = FEATURE_TABLE.trim().split('\n').map(readFeature);

/** Bits of IA32_ARCH_CAPABILITIES (SDM 4, table 2-2). */
const ARCH_CAPABILITY_BITS = {
  RDCL_NO: 0,
  IBRS_ALL: 1,
  SKIP_L1DFL_VMENTRY: 3,
  SSB_NO: 4,
  MDS_NO: 5,
  IF_PSCHANGE_MC_NO: 6,
  TAA_NO: 8,
  SBDR_SSDP_NO: 13,
  FBSDP_NO: 14,
  PSDP_NO: 15,
  BHI_NO: 20,
  PBRSB_NO: 24,
  GDS_NO: 26,
  RFDS_NO: 27,
} as const;

/** IA32_ARCH_CAPABILITIES: nothing is speculated, so nothing leaks. */
export const ARCH_CAPABILITIES: bigint = Object.values(ARCH_CAPABILITY_BITS).reduce(
  (all, bit) => all | (1n << BigInt(bit)),
  0n,
);
