# The same as words.awk, and lists of small hashes: perl words.pl ROUNDS
use strict;
use warnings;

my (%table, @lists);
my $sum = 0;
for my $i (0 .. $ARGV[0]) {
    my $key = "k" . ($i * 7919 % 20011);
    $table{$key} .= "x" . ($i % 10);
    $table{$key} = "" if length($table{$key}) > 40;
    my @parts = split / /, "a b c d $i";
    $sum += @parts;
    push @{ $lists[$i % 1000] }, { a => $i } if $i % 3 == 0;
}
print $sum + scalar(keys %table), "\n";
