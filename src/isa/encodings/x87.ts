/** Floating-point instructions of the x87 unit. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const X87_ROWS = `
D8 /0 mem            | FADD M32fp
D8 /1 mem            | FMUL M32fp
D8 /2 mem            | FCOM M32fp
D8 /3 mem            | FCOMP M32fp
D8 /4 mem            | FSUB M32fp
D8 /5 mem            | FSUBR M32fp
D8 /6 mem            | FDIV M32fp
D8 /7 mem            | FDIVR M32fp
DC /0 mem            | FADD M64fp
DC /1 mem            | FMUL M64fp
DC /2 mem            | FCOM M64fp
DC /3 mem            | FCOMP M64fp
DC /4 mem            | FSUB M64fp
DC /5 mem            | FSUBR M64fp
DC /6 mem            | FDIV M64fp
DC /7 mem            | FDIVR M64fp
D8 C0+i              | FADD ST0,STi
D8 C8+i              | FMUL ST0,STi
D8 D0+i              | FCOM STi
D8 D8+i              | FCOMP STi
D8 E0+i              | FSUB ST0,STi
D8 E8+i              | FSUBR ST0,STi
D8 F0+i              | FDIV ST0,STi
D8 F8+i              | FDIVR ST0,STi
DC C0+i              | FADD STi,ST0
DC C8+i              | FMUL STi,ST0
DC E0+i              | FSUBR STi,ST0
DC E8+i              | FSUB STi,ST0
DC F0+i              | FDIVR STi,ST0
DC F8+i              | FDIV STi,ST0
DE C0+i              | FADDP STi,ST0
DE C8+i              | FMULP STi,ST0
DE E0+i              | FSUBRP STi,ST0
DE E8+i              | FSUBP STi,ST0
DE F0+i              | FDIVRP STi,ST0
DE F8+i              | FDIVP STi,ST0
DA /0 mem            | FIADD M32int
DA /1 mem            | FIMUL M32int
DA /2 mem            | FICOM M32int
DA /3 mem            | FICOMP M32int
DA /4 mem            | FISUB M32int
DA /5 mem            | FISUBR M32int
DA /6 mem            | FIDIV M32int
DA /7 mem            | FIDIVR M32int
DE /0 mem            | FIADD M16int
DE /1 mem            | FIMUL M16int
DE /2 mem            | FICOM M16int
DE /3 mem            | FICOMP M16int
DE /4 mem            | FISUB M16int
DE /5 mem            | FISUBR M16int
DE /6 mem            | FIDIV M16int
DE /7 mem            | FIDIVR M16int
D9 /0 mem            | FLD M32fp
DD /0 mem            | FLD M64fp
DB /5 mem            | FLD M80fp
D9 C0+i              | FLD STi
D9 /2 mem            | FST M32fp
DD /2 mem            | FST M64fp
DD D0+i              | FST STi
D9 /3 mem            | FSTP M32fp
DD /3 mem            | FSTP M64fp
DB /7 mem            | FSTP M80fp
DD D8+i              | FSTP STi
DF /0 mem            | FILD M16int
DB /0 mem            | FILD M32int
DF /5 mem            | FILD M64int
DF /1 mem            | FISTTP M16int              | feat=sse3
DB /1 mem            | FISTTP M32int              | feat=sse3
DD /1 mem            | FISTTP M64int              | feat=sse3
DF /2 mem            | FIST M16int
DB /2 mem            | FIST M32int
DF /3 mem            | FISTP M16int
DB /3 mem            | FISTP M32int
DF /7 mem            | FISTP M64int
DF /4 mem            | FBLD M80bcd
DF /6 mem            | FBSTP M80bcd
D9 C8+i              | FXCH STi
DD E0+i              | FUCOM STi
DD E8+i              | FUCOMP STi
DA E9                | FUCOMPP
DE D9                | FCOMPP
DB F0+i              | FCOMI ST0,STi              | feat=cmov
DB E8+i              | FUCOMI ST0,STi             | feat=cmov
DF F0+i              | FCOMIP ST0,STi             | feat=cmov
DF E8+i              | FUCOMIP ST0,STi            | feat=cmov
DA C0+i              | FCMOVB ST0,STi             | cc=2 sem=fcmovcc feat=cmov
DA C8+i              | FCMOVE ST0,STi             | cc=4 sem=fcmovcc feat=cmov
DA D0+i              | FCMOVBE ST0,STi            | cc=6 sem=fcmovcc feat=cmov
DA D8+i              | FCMOVU ST0,STi             | cc=10 sem=fcmovcc feat=cmov
DB C0+i              | FCMOVNB ST0,STi            | cc=3 sem=fcmovcc feat=cmov
DB C8+i              | FCMOVNE ST0,STi            | cc=5 sem=fcmovcc feat=cmov
DB D0+i              | FCMOVNBE ST0,STi           | cc=7 sem=fcmovcc feat=cmov
DB D8+i              | FCMOVNU ST0,STi            | cc=11 sem=fcmovcc feat=cmov
D9 D0                | FNOP
D9 E0                | FCHS
D9 E1                | FABS
D9 E4                | FTST
D9 E5                | FXAM
D9 E8                | FLD1
D9 E9                | FLDL2T
D9 EA                | FLDL2E
D9 EB                | FLDPI
D9 EC                | FLDLG2
D9 ED                | FLDLN2
D9 EE                | FLDZ
D9 F0                | F2XM1
D9 F1                | FYL2X
D9 F2                | FPTAN
D9 F3                | FPATAN
D9 F4                | FXTRACT
D9 F5                | FPREM1
D9 F6                | FDECSTP
D9 F7                | FINCSTP
D9 F8                | FPREM
D9 F9                | FYL2XP1
D9 FA                | FSQRT
D9 FB                | FSINCOS
D9 FC                | FRNDINT
D9 FD                | FSCALE
D9 FE                | FSIN
D9 FF                | FCOS
DB E0                | FNENI                      | sem=fnoeffect
DB E1                | FNDISI                     | sem=fnoeffect
DB E2                | FNCLEX
DB E3                | FNINIT
DB E4                | FNSETPM                    | sem=fnoeffect
DD C0+i              | FFREE STi
DF C0+i              | FFREEP STi
D9 D8+i              | FSTP STi                   | alias sem=fstpquiet
DC D0+i              | FCOM STi                   | alias
DC D8+i              | FCOMP STi                  | alias
DD C8+i              | FXCH STi                   | alias
DE D0+i              | FCOMP STi                  | alias
DF C8+i              | FXCH STi                   | alias
DF D0+i              | FSTP STi                   | alias
DF D8+i              | FSTP STi                   | alias
D9 /5 mem            | FLDCW Mw
D9 /7 mem            | FNSTCW Mw
DD /7 mem            | FNSTSW Mw
DF E0                | FNSTSW AX
D9 /4 mem            | FLDENV M14/28
D9 /6 mem            | FNSTENV M14/28
DD /4 mem            | FRSTOR M94/108
DD /6 mem            | FNSAVE M94/108
9B                   | FWAIT
`;
