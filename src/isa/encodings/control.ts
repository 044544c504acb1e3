/** Jumps, calls, returns, loops, software interrupts and defined invalid opcodes. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const CONTROL_ROWS = `
70                   | JO Jb                      | f64 cc=0 sem=jcc
71                   | JNO Jb                     | f64 cc=1 sem=jcc
72                   | JB Jb                      | f64 cc=2 sem=jcc
73                   | JAE Jb                     | f64 cc=3 sem=jcc
74                   | JE Jb                      | f64 cc=4 sem=jcc
75                   | JNE Jb                     | f64 cc=5 sem=jcc
76                   | JBE Jb                     | f64 cc=6 sem=jcc
77                   | JA Jb                      | f64 cc=7 sem=jcc
78                   | JS Jb                      | f64 cc=8 sem=jcc
79                   | JNS Jb                     | f64 cc=9 sem=jcc
7A                   | JP Jb                      | f64 cc=10 sem=jcc
7B                   | JNP Jb                     | f64 cc=11 sem=jcc
7C                   | JL Jb                      | f64 cc=12 sem=jcc
7D                   | JGE Jb                     | f64 cc=13 sem=jcc
7E                   | JLE Jb                     | f64 cc=14 sem=jcc
7F                   | JG Jb                      | f64 cc=15 sem=jcc
0F 80                | JO Jz                      | f64 cc=0 sem=jcc
0F 81                | JNO Jz                     | f64 cc=1 sem=jcc
0F 82                | JB Jz                      | f64 cc=2 sem=jcc
0F 83                | JAE Jz                     | f64 cc=3 sem=jcc
0F 84                | JE Jz                      | f64 cc=4 sem=jcc
0F 85                | JNE Jz                     | f64 cc=5 sem=jcc
0F 86                | JBE Jz                     | f64 cc=6 sem=jcc
0F 87                | JA Jz                      | f64 cc=7 sem=jcc
0F 88                | JS Jz                      | f64 cc=8 sem=jcc
0F 89                | JNS Jz                     | f64 cc=9 sem=jcc
0F 8A                | JP Jz                      | f64 cc=10 sem=jcc
0F 8B                | JNP Jz                     | f64 cc=11 sem=jcc
0F 8C                | JL Jz                      | f64 cc=12 sem=jcc
0F 8D                | JGE Jz                     | f64 cc=13 sem=jcc
0F 8E                | JLE Jz                     | f64 cc=14 sem=jcc
0F 8F                | JG Jz                      | f64 cc=15 sem=jcc
E0                   | LOOPNE Jb                  | f64
E1                   | LOOPE Jb                   | f64
E2                   | LOOP Jb                    | f64
E3                   | JCXZ/JECXZ/JRCXZ Jb        | f64 byaddr
E8                   | CALL Jz                    | f64
E9                   | JMP Jz                     | f64
EB                   | JMP Jb                     | f64
FF /2                | CALL Ev                    | f64
FF /4                | JMP Ev                     | f64
FF /3                | CALL Mp                    | sem=callf
FF /5                | JMP Mp                     | sem=jmpf
9A                   | CALL Ap                    | i64 sem=callf
EA                   | JMP Ap                     | i64 sem=jmpf
C2                   | RET Iw                     | f64
C3                   | RET                        | f64
CA                   | RETF Iw
CB                   | RETF
CC                   | INT3
CD                   | INT Ib
CE                   | INTO                       | i64
CF                   | IRET/IRETD/IRETQ
F1                   | INT1
62 /r                | BOUND Gv,Ma                | i64
0F 0B                | UD2                        | sem=ud
0F B9 /r             | UD1 Gv,Ev                  | sem=ud
0F FF /r             | UD0 Gv,Ev                  | sem=ud
`;
