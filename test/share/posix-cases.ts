/**
 * What programs may expect of a file system (POSIX.1-2017, XSH), in the Perl that every Debian system has: it works in the
 * folder it is given and prints a line for each case, which is the same on every file system that keeps to POSIX.
 */
export const POSIX_CASES: string = String.raw`use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock :seek :mode);
use POSIX ();

$| = 1;
my ($folder) = @ARGV;
chdir $folder or die "$folder: $!\n";
umask 022;

# Names of errors, which do not depend on the language.
my %NAMES = map { my $code = eval "POSIX::$_()"; $code ? ($code, $_) : () } qw(EPERM ENOENT EIO EBADF EACCES EEXIST EXDEV ENODEV
  ENOTDIR EISDIR EINVAL EFBIG ENOSPC ESPIPE EROFS EMLINK ENAMETOOLONG ENOSYS ENOTEMPTY ELOOP EOPNOTSUPP ETXTBSY EBUSY);
my $number = 0;

sub say_case { my ($what, @facts) = @_; printf "%03d %s: %s\n", ++$number, $what, join ' ', map { $_ // 'undef' } @facts }
# The outcome of a call that returns true or sets errno.
sub try_case { my ($what, $call) = @_; $! = 0; my $ok = $call->(); say_case($what, $ok ? 'ok' : $NAMES{$! + 0} // "errno " . ($! + 0)); return $ok }
sub put_file { my ($name, $text) = @_; open my $file, '>', $name or die "$name: $!\n"; print $file $text; close $file }
sub text_of { my ($name) = @_; open my $file, '<', $name or return undef; local $/; return scalar <$file> }
sub opened { my ($name, $flags, $mode) = @_; sysopen my $file, $name, $flags, $mode // 0644 or return undef; return $file }
sub mode_of { my @facts = lstat $_[0]; return @facts ? sprintf '%o', $facts[2] & 07777 : undef }
sub kind_of { my @facts = lstat $_[0] or return 'none'; return S_ISDIR($facts[2]) ? 'folder' : S_ISLNK($facts[2]) ? 'link' : S_ISREG($facts[2]) ? 'file' : S_ISFIFO($facts[2]) ? 'fifo' : 'other' }
sub names_in { my ($name) = @_; opendir my $dir, $name or return undef; return join ',', sort grep { !/^\.\.?$/ } readdir $dir }
sub size_of { return (lstat $_[0])[7] }
sub links_of { return (lstat $_[0])[3] }

# Opening and making files
try_case('open of nothing', sub { opened('a', O_RDONLY) });
try_case('O_CREAT', sub { opened('a', O_WRONLY | O_CREAT) });
try_case('O_EXCL of a file', sub { opened('a', O_WRONLY | O_CREAT | O_EXCL) });
try_case('O_EXCL of a new file', sub { opened('b', O_WRONLY | O_CREAT | O_EXCL, 0600) });
say_case('modes', mode_of('a'), mode_of('b'));
try_case('O_CREAT in no folder', sub { opened('none/a', O_WRONLY | O_CREAT) });
try_case('O_CREAT below a file', sub { opened('a/b', O_WRONLY | O_CREAT) });
try_case('O_DIRECTORY of a file', sub { opened('a', O_RDONLY | O_DIRECTORY) });
try_case('writing a folder', sub { mkdir 'd'; opened('d', O_WRONLY) });
try_case('O_CREAT of a folder', sub { opened('d', O_RDWR | O_CREAT) });
try_case('an empty name', sub { opened('', O_RDONLY) });
try_case('a slash behind a file', sub { opened('a/', O_RDONLY) });
try_case('a name of 255', sub { opened('n' x 255, O_WRONLY | O_CREAT) });
try_case('a name of 256', sub { opened('n' x 256, O_WRONLY | O_CREAT) });
try_case('odd bytes in a name', sub { opened("\x01\xff \n*", O_WRONLY | O_CREAT) });
try_case('removal of those', sub { unlink("\x01\xff \n*", 'n' x 255) == 2 });

# Reading and writing
put_file('a', 'hello world');
say_case('content', text_of('a'), size_of('a'));
{ my $file = opened('a', O_WRONLY | O_APPEND); sysseek $file, 0, SEEK_SET; syswrite $file, '!' }
say_case('O_APPEND', text_of('a'));
{ my $file = opened('a', O_RDWR | O_TRUNC); say_case('O_TRUNC', size_of('a')) }
{ my $file = opened('a', O_WRONLY); say_case('reading what is open for writing', defined sysread($file, my $x, 1) ? 'ok' : $NAMES{$! + 0}) }
{ my $file = opened('a', O_RDONLY); say_case('writing what is open for reading', defined syswrite($file, 'x') ? 'ok' : $NAMES{$! + 0}) }
{ my $file = opened('a', O_RDWR); sysseek $file, 1_000_000, SEEK_SET; syswrite $file, 'end'; sysseek $file, 500_000, SEEK_SET; sysread $file, my $x, 3; say_case('a hole', size_of('a'), unpack 'H*', $x) }
{ my $file = opened('a', O_RDWR); sysseek $file, 2_000_000, SEEK_SET; say_case('reading behind the end', sysread $file, my $x, 10) }
try_case('truncate', sub { truncate 'a', 10 });
say_case('its size', size_of('a'));
try_case('truncate to more', sub { truncate 'a', 5000 });
say_case('its end', size_of('a'), unpack('H*', substr text_of('a'), -2));
try_case('truncate of a folder', sub { truncate 'd', 0 });
try_case('truncate of nothing', sub { truncate 'none', 0 });
{ my $big = join '', map { pack 'N', $_ } 0 .. 99_999; put_file('big', $big); say_case('a large file', size_of('big'), text_of('big') eq $big ? 'same' : 'other') }
{ my $file = opened('big', O_RDWR); my $sum = 0; for my $at (399_000, 7, 65_533, 131_071, 262_144) { sysseek $file, $at, SEEK_SET; sysread $file, my $x, 5; $sum += unpack '%32C*', $x; sysseek $file, $at, SEEK_SET; syswrite $file, 'abcde' } say_case('odd places', $sum, unpack '%32C*', text_of('big')) }
{ my ($one, $two) = (opened('a', O_RDWR), opened('a', O_RDWR)); syswrite $one, 'seen by the other'; sysread $two, my $x, 17; say_case('two handles', $x) }
try_case('fsync', sub { my $file = opened('a', O_RDWR); $file->sync }) if eval { require IO::Handle; 1 };

# Names
try_case('link', sub { link 'a', 'a2' });
say_case('its count', links_of('a'), links_of('a2'), (lstat 'a')[1] == (lstat 'a2')[1] ? 'same' : 'other');
{ my $file = opened('a2', O_WRONLY | O_TRUNC); syswrite $file, 'by the link' }
say_case('content by the other name', text_of('a'));
try_case('link onto a file', sub { link 'a', 'b' });
try_case('link of nothing', sub { link 'none', 'c' });
try_case('link of a folder', sub { link 'd', 'd2' });
try_case('unlink', sub { unlink 'a2' });
say_case('its count', links_of('a'));
try_case('unlink of nothing', sub { unlink 'a2' });
try_case('rmdir of a file', sub { rmdir 'a' });
{ my $file = opened('gone', O_RDWR | O_CREAT); syswrite $file, 'still here'; unlink 'gone'; sysseek $file, 0, SEEK_SET; sysread $file, my $x, 20; say_case('an open file without a name', $x, kind_of('gone'), (stat $file)[7]) }
{ my $file = opened('gone', O_RDWR | O_CREAT); unlink 'gone'; put_file('gone', 'another'); say_case('changing an open file without a name', truncate($file, 3), chmod(0640, $file), utime(1, 2, $file)); my @facts = stat $file; say_case('what it is then', $facts[7], sprintf('%o', $facts[2]), @facts[8, 9], size_of('gone'), mode_of('gone')); unlink 'gone' }
{ my $file = opened('renamed', O_RDWR | O_CREAT); rename 'renamed', 'moved'; syswrite $file, 'moved on'; say_case('an open file that is renamed', text_of('moved')) }
try_case('rename onto a file', sub { put_file('x', 'x'); put_file('y', 'y'); rename 'x', 'y' });
say_case('what is left', kind_of('x'), text_of('y'));
try_case('rename of nothing', sub { rename 'none', 'y' });
try_case('rename onto itself', sub { rename 'y', 'y' });
try_case('rename of links to one file', sub { link 'y', 'z'; rename 'y', 'z' });
say_case('both are left', kind_of('y'), kind_of('z'));
try_case('rename of a file onto a folder', sub { rename 'y', 'd' });
try_case('rename of a folder onto a file', sub { rename 'd', 'y' });
try_case('rename of a folder onto an empty one', sub { mkdir 'e'; put_file('e/in', 'in'); rename 'e', 'd' });
say_case('what is in it', names_in('d'), kind_of('e'));
try_case('rename onto a folder that is not empty', sub { mkdir 'e'; rename 'e', 'd' });
try_case('rename into itself', sub { rename 'd', 'd/d' });

# Folders
try_case('mkdir', sub { mkdir 'f', 0750 });
say_case('its mode', mode_of('f'));
try_case('mkdir of what is there', sub { mkdir 'f' });
try_case('mkdir of a file', sub { mkdir 'a' });
try_case('mkdir in nothing', sub { mkdir 'none/f' });
try_case('mkdir of a dangling link', sub { symlink 'nowhere', 'dangling'; mkdir 'dangling' });
try_case('rmdir', sub { rmdir 'f' });
try_case('rmdir of a full folder', sub { rmdir 'd' });
try_case('rmdir of nothing', sub { rmdir 'f' });
try_case('rmdir of .', sub { mkdir 'f'; rmdir 'f/.' });
try_case('unlink of a folder', sub { POSIX::unlink('f') });
{ mkdir "f/$_" for 'a' .. 'c'; put_file("f/file$_", $_) for 1 .. 300; my $names = names_in('f'); say_case('a large folder', length $names, scalar(() = $names =~ /,/g)); say_case('links of a folder', links_of('f') == 5 || links_of('f') == 1 ? 'as many as there are' : links_of('f')) }
{ opendir my $dir, 'f'; my %seen; while (defined(my $name = readdir $dir)) { $seen{$name}++; unlink "f/$name" if $name =~ /^file/ } say_case('removing while reading', scalar keys %seen, scalar grep { $_ > 1 } values %seen); rewinddir $dir; say_case('after rewinddir', join ',', sort readdir $dir) }
{ mkdir 'deep'; my $path = 'deep'; $path .= '/' . 'x' x 20, mkdir $path for 1 .. 30; put_file("$path/leaf", 'leaf'); say_case('depth', text_of("$path/leaf")); say_case('dots', text_of("$path/../" . 'x' x 20 . '/./leaf')) }

# Symbolic links
try_case('symlink', sub { symlink 'a', 's' });
say_case('where to', readlink 's', kind_of('s'), size_of('s'), text_of('s'));
try_case('symlink onto a file', sub { symlink 'a', 'b' });
try_case('readlink of a file', sub { readlink 'a' });
try_case('open of a dangling link', sub { opened('dangling', O_RDONLY) });
try_case('O_EXCL of a dangling link', sub { opened('dangling', O_WRONLY | O_CREAT | O_EXCL) });
try_case('O_NOFOLLOW', sub { opened('s', O_RDONLY | O_NOFOLLOW) });
try_case('O_CREAT by a dangling link', sub { opened('dangling', O_WRONLY | O_CREAT) });
say_case('what it made', kind_of('nowhere'), kind_of('dangling'));
try_case('a circle', sub { symlink 'l2', 'l1'; symlink 'l1', 'l2'; opened('l1', O_RDONLY) });
try_case('a link to a folder', sub { symlink 'd', 'sd'; opened('sd/in', O_RDONLY) });
try_case('unlink of a link to a folder', sub { unlink 'sd' });
try_case('a long target', sub { symlink 't' x 1000, 'long' });
say_case('its length', length readlink 'long');
try_case('rename of a link', sub { rename 'long', 'longer' });

# Permissions and times
try_case('chmod', sub { chmod 0604, 'a' });
say_case('mode', mode_of('a'));
try_case('chmod with set-user-ID', sub { chmod 04711, 'a' });
say_case('mode', mode_of('a'));
try_case('chmod of a folder with the sticky bit', sub { chmod 01777, 'd' });
say_case('mode', mode_of('d'));
try_case('chmod by a handle', sub { my $file = opened('a', O_RDONLY); chmod 0640, $file });
say_case('mode', mode_of('a'));
try_case('chmod of nothing', sub { chmod 0600, 'none' });
try_case('chown to oneself', sub { chown $>, (split ' ', $))[0], 'a' });
try_case('utime', sub { utime 1_000_000_000, 1_234_567_890, 'a' });
say_case('times', (stat 'a')[8, 9]);
{ my $before = (stat 'a')[9]; my $file = opened('a', O_WRONLY); syswrite $file, 'x'; close $file; say_case('a write moves mtime', (stat 'a')[9] > $before ? 'on' : 'not') }
{ utime 1, 1, 'd'; put_file('d/new', ''); say_case('a new name moves the mtime of its folder', (stat 'd')[9] > 1 ? 'on' : 'not') }
{ utime 1, 1, 'd'; unlink 'd/new'; say_case('a removal moves it too', (stat 'd')[9] > 1 ? 'on' : 'not') }
{ umask 077; put_file('private', ''); mkdir 'own'; say_case('umask', mode_of('private'), mode_of('own')); umask 022 }
say_case('access', map { (-r $_ ? 'r' : '-') . (-w $_ ? 'w' : '-') . (-x $_ ? 'x' : '-') } 'a', 'd');

# Locks
{ my ($one, $two) = (opened('a', O_RDWR), opened('a', O_RDWR)); my @facts = map { $_ ? 'ok' : 'busy' } flock($one, LOCK_EX | LOCK_NB), flock($two, LOCK_SH | LOCK_NB); flock $one, LOCK_UN; say_case('flock', @facts, flock($two, LOCK_SH | LOCK_NB) ? 'ok' : 'busy') }
{ my $file = opened('a', O_RDWR); my $lock = pack 's s l! l! i x4', F_WRLCK, SEEK_SET, 0, 10, 0; say_case('fcntl', fcntl($file, F_SETLK, $lock) ? 'ok' : $NAMES{$! + 0}); my $pid = fork; if (!$pid) { my $other = opened('a', O_RDWR); POSIX::_exit(fcntl($other, F_SETLK, $lock) ? 1 : 0) } waitpid $pid, 0; say_case('of another process', $? ? 'ok' : 'busy') }

# Special files
try_case('mkfifo', sub { POSIX::mkfifo('p', 0600) });
say_case('its kind', kind_of('p'));
{ my $pid = fork; if (!$pid) { open my $to, '>', 'p'; print $to 'by the pipe'; close $to; POSIX::_exit(0) } say_case('through it', text_of('p')); waitpid $pid, 0 }

# Many processes
{ my $file = opened('log', O_WRONLY | O_CREAT); close $file; my @pids; for my $who ('a' .. 'd') { my $pid = fork; push @pids, $pid and next if $pid; for (1 .. 50) { my $out = opened('log', O_WRONLY | O_APPEND); syswrite $out, "$who\n" } POSIX::_exit(0) } waitpid $_, 0 for @pids; my %count; $count{$_}++ for split /\n/, text_of('log'); say_case('appending together', map { "$_=" . ($count{$_} // 0) } 'a' .. 'd') }
{ my @pids; for my $who (1 .. 4) { my $pid = fork; push @pids, $pid and next if $pid; my $won = 0; for (1 .. 30) { $won++ if opened("race$_", O_WRONLY | O_CREAT | O_EXCL) } put_file("won$who", $won); POSIX::_exit(0) } waitpid $_, 0 for @pids; my $sum = 0; $sum += text_of("won$_") for 1 .. 4; say_case('one wins each race', $sum) }
`;
