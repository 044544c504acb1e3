import type { GdbRegister, RegisterSet } from '../../boards/debug/gdb-registers.ts';

const FLAG_BITS = [
  ...[
    ['CF', 0],
    ['', 1],
    ['PF', 2],
    ['AF', 4],
    ['ZF', 6],
    ['SF', 7],
    ['TF', 8],
    ['IF', 9],
    ['DF', 10],
    ['OF', 11],
  ],
  ...[
    ['NT', 14],
    ['RF', 16],
    ['VM', 17],
    ['AC', 18],
    ['VIF', 19],
    ['VIP', 20],
    ['ID', 21],
  ],
] as const;
const MXCSR_BITS = ['IE', 'DE', 'ZE', 'OE', 'UE', 'PE', 'DAZ', 'IM', 'DM', 'ZM', 'OM', 'UM', 'PM'] as const;

/** Types that the registers of each feature have (GDB manual, "Target Description Format"). */
const CORE_TYPES = flags('i386_eflags', FLAG_BITS);
const SSE_TYPES = [
  '<vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/>',
  '<vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" count="8"/>',
  '<vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" count="2"/>',
  '<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>',
  '<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/>',
  '<field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>',
  flags('i386_mxcsr', [...MXCSR_BITS.map((name, bit) => [name, bit] as const), ['FZ', 15]]),
].join('');

function flags(id: string, bits: readonly (readonly [name: string, bit: number])[]): string {
  const fields = bits.map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`);
  return `<flags id="${id}" size="4">${fields.join('')}</flags>`;
}

function register({ name, bits, type, group }: GdbRegister): string {
  return `<reg name="${name}" bitsize="${bits}" type="${type}"${group ? ` group="${group}"` : ''}/>`;
}

/** Describes registers to GDB. */
export function targetXml({ architecture, features }: RegisterSet): string {
  const parts = features.map(([name, registers]) => {
    const types = name.endsWith('.sse') ? SSE_TYPES : CORE_TYPES;
    return `<feature name="${name}">${types}${registers.map(register).join('')}</feature>`;
  });
  const head = '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">';
  return `${head}<target><architecture>${architecture}</architecture>${parts.join('')}</target>`;
}
