import { BASE_RIP, type Decoded, type MemOperand, type Operand, type RegOperand } from './operands.ts';

const GPR_64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'] as const;
const GPR_8 = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'] as const;
const GPR_HIGH = ['ah', 'ch', 'dh', 'bh'] as const;
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const SUFFIX: Readonly<Record<number, string>> = { 8: 'b', 16: 'w', 32: 'd', 64: '' };

/** An instruction as text for people, in the manner of Intel's manuals. @param next address of the next instruction */
export function printInstruction(decoded: Decoded, next: bigint): string {
  const { row, operandSize, addressSize, operands, lock, rep } = decoded;
  const prefix = `${lock ? 'lock ' : ''}${rep === 0 ? '' : rep === 0xf2 ? 'repne ' : 'rep '}`;
  const name = row.names[operandSize === 16 ? 0 : operandSize === 32 ? 1 : 2].toLowerCase();
  const texts = operands.map((operand) => operandText(operand, addressSize, next));
  return `${prefix}${name} ${texts.join(', ')}`.trimEnd();
}

function operandText(o: Operand, addressSize: number, next: bigint): string {
  switch (o.kind) {
    case 'reg':
      return registerText(o);
    case 'mem':
      return memoryText(o, addressSize, next);
    case 'imm':
      return hex(o.value);
    case 'rel':
      return hex(BigInt.asUintN(64, next + BigInt(o.disp)));
    case 'far':
      return `${hex(o.selector)}:${hex(o.offset)}`;
  }
}

function registerText({ cls, index, high, width }: RegOperand): string {
  if (cls === 'seg') return SEGMENTS[index];
  if (cls !== 'gpr') return `${cls === 'mmx' ? 'mm' : cls}${index}`;
  return high ? GPR_HIGH[index] : gprText(index, width);
}

function gprText(index: number, width: number): string {
  if (index >= 8) return `r${index}${SUFFIX[width] ?? ''}`;
  if (width === 8) return GPR_8[index];
  const name = GPR_64[index];
  return width === 64 ? name : `${width === 32 ? 'e' : ''}${name.slice(1)}`;
}

function memoryText({ seg, base, index, scale, disp, dispBig }: MemOperand, addressSize: number, next: bigint): string {
  const segment = seg === 3 || seg === 2 ? '' : `${SEGMENTS[seg]}:`;
  if (dispBig !== undefined) return `${segment}[${hex(dispBig)}]`;
  if (base === BASE_RIP) return `${segment}[${hex(BigInt.asUintN(64, next + BigInt(disp)))}]`;
  const parts: string[] = [];
  if (base >= 0) parts.push(gprText(base, addressSize));
  if (index >= 0) parts.push(`${gprText(index, addressSize)}${scale === 0 ? '' : `*${1 << scale}`}`);
  const sign = disp < 0 ? '-' : parts.length > 0 ? '+' : '';
  if (disp !== 0 || parts.length === 0) return `${segment}[${parts.join('+')}${sign}${hex(Math.abs(disp))}]`;
  return `${segment}[${parts.join('+')}]`;
}

function hex(value: bigint | number): string {
  return value < 10 ? `${value}` : `0x${value.toString(16)}`;
}
