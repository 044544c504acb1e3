/** Integer arithmetic, logic, compare and decimal adjustment. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const ALU_ROWS = `
00 /r                | ADD Eb,Gb                  | lock
01 /r                | ADD Ev,Gv                  | lock
02 /r                | ADD Gb,Eb
03 /r                | ADD Gv,Ev
04                   | ADD AL,Ib
05                   | ADD rAX,Iz
80 /0                | ADD Eb,Ib                  | lock
81 /0                | ADD Ev,Iz                  | lock
82 /0                | ADD Eb,Ib                  | i64 alias lock
83 /0                | ADD Ev,Ibs                 | lock
08 /r                | OR Eb,Gb                   | lock
09 /r                | OR Ev,Gv                   | lock
0A /r                | OR Gb,Eb
0B /r                | OR Gv,Ev
0C                   | OR AL,Ib
0D                   | OR rAX,Iz
80 /1                | OR Eb,Ib                   | lock
81 /1                | OR Ev,Iz                   | lock
82 /1                | OR Eb,Ib                   | i64 alias lock
83 /1                | OR Ev,Ibs                  | lock
10 /r                | ADC Eb,Gb                  | lock
11 /r                | ADC Ev,Gv                  | lock
12 /r                | ADC Gb,Eb
13 /r                | ADC Gv,Ev
14                   | ADC AL,Ib
15                   | ADC rAX,Iz
80 /2                | ADC Eb,Ib                  | lock
81 /2                | ADC Ev,Iz                  | lock
82 /2                | ADC Eb,Ib                  | i64 alias lock
83 /2                | ADC Ev,Ibs                 | lock
18 /r                | SBB Eb,Gb                  | lock
19 /r                | SBB Ev,Gv                  | lock
1A /r                | SBB Gb,Eb
1B /r                | SBB Gv,Ev
1C                   | SBB AL,Ib
1D                   | SBB rAX,Iz
80 /3                | SBB Eb,Ib                  | lock
81 /3                | SBB Ev,Iz                  | lock
82 /3                | SBB Eb,Ib                  | i64 alias lock
83 /3                | SBB Ev,Ibs                 | lock
20 /r                | AND Eb,Gb                  | lock
21 /r                | AND Ev,Gv                  | lock
22 /r                | AND Gb,Eb
23 /r                | AND Gv,Ev
24                   | AND AL,Ib
25                   | AND rAX,Iz
80 /4                | AND Eb,Ib                  | lock
81 /4                | AND Ev,Iz                  | lock
82 /4                | AND Eb,Ib                  | i64 alias lock
83 /4                | AND Ev,Ibs                 | lock
28 /r                | SUB Eb,Gb                  | lock
29 /r                | SUB Ev,Gv                  | lock
2A /r                | SUB Gb,Eb
2B /r                | SUB Gv,Ev
2C                   | SUB AL,Ib
2D                   | SUB rAX,Iz
80 /5                | SUB Eb,Ib                  | lock
81 /5                | SUB Ev,Iz                  | lock
82 /5                | SUB Eb,Ib                  | i64 alias lock
83 /5                | SUB Ev,Ibs                 | lock
30 /r                | XOR Eb,Gb                  | lock
31 /r                | XOR Ev,Gv                  | lock
32 /r                | XOR Gb,Eb
33 /r                | XOR Gv,Ev
34                   | XOR AL,Ib
35                   | XOR rAX,Iz
80 /6                | XOR Eb,Ib                  | lock
81 /6                | XOR Ev,Iz                  | lock
82 /6                | XOR Eb,Ib                  | i64 alias lock
83 /6                | XOR Ev,Ibs                 | lock
38 /r                | CMP Eb,Gb
39 /r                | CMP Ev,Gv
3A /r                | CMP Gb,Eb
3B /r                | CMP Gv,Ev
3C                   | CMP AL,Ib
3D                   | CMP rAX,Iz
80 /7                | CMP Eb,Ib
81 /7                | CMP Ev,Iz
82 /7                | CMP Eb,Ib                  | i64 alias
83 /7                | CMP Ev,Ibs
84 /r                | TEST Eb,Gb
85 /r                | TEST Ev,Gv
A8                   | TEST AL,Ib
A9                   | TEST rAX,Iz
F6 /0                | TEST Eb,Ib
F6 /1                | TEST Eb,Ib                 | alias
F7 /0                | TEST Ev,Iz
F7 /1                | TEST Ev,Iz                 | alias
F6 /2                | NOT Eb                     | lock
F7 /2                | NOT Ev                     | lock
F6 /3                | NEG Eb                     | lock
F7 /3                | NEG Ev                     | lock
FE /0                | INC Eb                     | lock
FF /0                | INC Ev                     | lock
40+r                 | INC Zv                     | i64
FE /1                | DEC Eb                     | lock
FF /1                | DEC Ev                     | lock
48+r                 | DEC Zv                     | i64
F6 /4                | MUL Eb
F7 /4                | MUL Ev
F6 /5                | IMUL Eb
F7 /5                | IMUL Ev
0F AF /r             | IMUL Gv,Ev
69 /r                | IMUL Gv,Ev,Iz
6B /r                | IMUL Gv,Ev,Ibs
F6 /6                | DIV Eb
F7 /6                | DIV Ev
F6 /7                | IDIV Eb
F7 /7                | IDIV Ev
0F C0 /r             | XADD Eb,Gb                 | lock
0F C1 /r             | XADD Ev,Gv                 | lock
0F B0 /r             | CMPXCHG Eb,Gb              | lock
0F B1 /r             | CMPXCHG Ev,Gv              | lock
0F C7 /1             | CMPXCHG8B Mq               | lock feat=cx8
REX.W 0F C7 /1       | CMPXCHG16B Mdq             | lock feat=cx16
27                   | DAA                        | i64
2F                   | DAS                        | i64
37                   | AAA                        | i64
3F                   | AAS                        | i64
D4                   | AAM Ib                     | i64
D5                   | AAD Ib                     | i64
`;
