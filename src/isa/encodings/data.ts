/** Moves, exchanges, conversions, flag bits, conditional moves and hint NOPs. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const DATA_ROWS = `
88 /r                | MOV Eb,Gb
89 /r                | MOV Ev,Gv
8A /r                | MOV Gb,Eb
8B /r                | MOV Gv,Ev
8C /r                | MOV Rv/Mw,Sw
8E /r                | MOV Sw,Ew                  | sem=movsreg
A0                   | MOV AL,Ob
A1                   | MOV rAX,Ov
A2                   | MOV Ob,AL
A3                   | MOV Ov,rAX
B0+r                 | MOV Zb,Ib
B8+r                 | MOV Zv,Iv
C6 /0                | MOV Eb,Ib
C7 /0                | MOV Ev,Iz
0F B6 /r             | MOVZX Gv,Eb
0F B7 /r             | MOVZX Gv,Ew
0F BE /r             | MOVSX Gv,Eb
0F BF /r             | MOVSX Gv,Ew
63 /r                | MOVSXD Gv,Ez               | o64
8D /r                | LEA Gv,M
C4 /r                | LES Gz,Mp                  | i64
C5 /r                | LDS Gz,Mp                  | i64
0F B2 /r             | LSS Gv,Mp
0F B4 /r             | LFS Gv,Mp
0F B5 /r             | LGS Gv,Mp
86 /r                | XCHG Eb,Gb                 | lock
87 /r                | XCHG Ev,Gv                 | lock
90+r                 | XCHG Zv,rAX
90                   | NOP                        | norexb
F3 90                | PAUSE
0F C8+r              | BSWAP Zv
98                   | CBW/CWDE/CDQE
99                   | CWD/CDQ/CQO
9E                   | SAHF
9F                   | LAHF
D6                   | SALC                       | i64
D7                   | XLATB
F5                   | CMC
F8                   | CLC
F9                   | STC
FC                   | CLD
FD                   | STD
NFx 0F 38 F0 /r      | MOVBE Gv,Mv                | feat=movbe
NFx 0F 38 F1 /r      | MOVBE Mv,Gv                | feat=movbe
0F 40 /r             | CMOVO Gv,Ev                | cc=0 sem=cmovcc feat=cmov
0F 41 /r             | CMOVNO Gv,Ev               | cc=1 sem=cmovcc feat=cmov
0F 42 /r             | CMOVB Gv,Ev                | cc=2 sem=cmovcc feat=cmov
0F 43 /r             | CMOVAE Gv,Ev               | cc=3 sem=cmovcc feat=cmov
0F 44 /r             | CMOVE Gv,Ev                | cc=4 sem=cmovcc feat=cmov
0F 45 /r             | CMOVNE Gv,Ev               | cc=5 sem=cmovcc feat=cmov
0F 46 /r             | CMOVBE Gv,Ev               | cc=6 sem=cmovcc feat=cmov
0F 47 /r             | CMOVA Gv,Ev                | cc=7 sem=cmovcc feat=cmov
0F 48 /r             | CMOVS Gv,Ev                | cc=8 sem=cmovcc feat=cmov
0F 49 /r             | CMOVNS Gv,Ev               | cc=9 sem=cmovcc feat=cmov
0F 4A /r             | CMOVP Gv,Ev                | cc=10 sem=cmovcc feat=cmov
0F 4B /r             | CMOVNP Gv,Ev               | cc=11 sem=cmovcc feat=cmov
0F 4C /r             | CMOVL Gv,Ev                | cc=12 sem=cmovcc feat=cmov
0F 4D /r             | CMOVGE Gv,Ev               | cc=13 sem=cmovcc feat=cmov
0F 4E /r             | CMOVLE Gv,Ev               | cc=14 sem=cmovcc feat=cmov
0F 4F /r             | CMOVG Gv,Ev                | cc=15 sem=cmovcc feat=cmov
0F 90 /r             | SETO Eb                    | cc=0 sem=setcc
0F 91 /r             | SETNO Eb                   | cc=1 sem=setcc
0F 92 /r             | SETB Eb                    | cc=2 sem=setcc
0F 93 /r             | SETAE Eb                   | cc=3 sem=setcc
0F 94 /r             | SETE Eb                    | cc=4 sem=setcc
0F 95 /r             | SETNE Eb                   | cc=5 sem=setcc
0F 96 /r             | SETBE Eb                   | cc=6 sem=setcc
0F 97 /r             | SETA Eb                    | cc=7 sem=setcc
0F 98 /r             | SETS Eb                    | cc=8 sem=setcc
0F 99 /r             | SETNS Eb                   | cc=9 sem=setcc
0F 9A /r             | SETP Eb                    | cc=10 sem=setcc
0F 9B /r             | SETNP Eb                   | cc=11 sem=setcc
0F 9C /r             | SETL Eb                    | cc=12 sem=setcc
0F 9D /r             | SETGE Eb                   | cc=13 sem=setcc
0F 9E /r             | SETLE Eb                   | cc=14 sem=setcc
0F 9F /r             | SETG Eb                    | cc=15 sem=setcc
0F 0D /0 reg         | NOP Ev                     | alias
0F 0D /1 reg         | NOP Ev                     | alias
0F 0D /2             | NOP Ev                     | alias
0F 0D /3             | NOP Ev                     | alias
0F 0D /4             | NOP Ev                     | alias
0F 0D /5             | NOP Ev                     | alias
0F 0D /6             | NOP Ev                     | alias
0F 0D /7             | NOP Ev                     | alias
0F 0D /0 mem         | PREFETCH Mb
0F 0D /1 mem         | PREFETCHW Mb               | sem=prefetch
0F 18 /0 reg         | NOP Ev                     | alias
0F 18 /1 reg         | NOP Ev                     | alias
0F 18 /2 reg         | NOP Ev                     | alias
0F 18 /3 reg         | NOP Ev                     | alias
0F 18 /4             | NOP Ev                     | alias
0F 18 /5             | NOP Ev                     | alias
0F 18 /6             | NOP Ev                     | alias
0F 18 /7             | NOP Ev                     | alias
0F 18 /0 mem         | PREFETCHNTA Mb             | sem=prefetch
0F 18 /1 mem         | PREFETCHT0 Mb              | sem=prefetch
0F 18 /2 mem         | PREFETCHT1 Mb              | sem=prefetch
0F 18 /3 mem         | PREFETCHT2 Mb              | sem=prefetch
0F 19 /r             | NOP Ev                     | alias
0F 1A /r             | NOP Ev                     | alias
0F 1B /r             | NOP Ev                     | alias
0F 1C /r             | NOP Ev                     | alias
0F 1D /r             | NOP Ev                     | alias
0F 1E /r             | NOP Ev                     | alias
F3 0F 1E FA          | ENDBR64                    | sem=nop
F3 0F 1E FB          | ENDBR32                    | sem=nop
0F 1F /r             | NOP Ev
`;
