# Strings put together and split, in tables of 20,011 keys: gawk -v n=ROUNDS -f words.awk
BEGIN {
    for (i = 0; i < n; i++) {
        key = "k" (i * 7919 % 20011)
        table[key] = table[key] "x" i % 10
        if (length(table[key]) > 40)
            table[key] = ""
        pieces += split("a b c d " i, part, " ")
    }
    for (key in table)
        sum += length(table[key])
    print sum, pieces
}
