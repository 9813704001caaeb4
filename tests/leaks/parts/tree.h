// A binary tree of 1,000,000 nodes.
#ifndef MEMTRACE_LEAKS_TREE_H
#define MEMTRACE_LEAKS_TREE_H
#include "../leaks.h"

enum { NODES = 1000000 };

// Node i's second and third word point to the nodes 2i + 1 and 2i + 2. Gives the root.
static APART hidden tree(size_t bytes) {
    static hidden nodes[NODES];
    for (int i = 0; i < NODES; i++) {
        nodes[i] = take(bytes);
        if (i > 0) {
            put_in(nodes[(i - 1) / 2], i % 2 ? 8 : 16, nodes[i]);
        }
    }
    return nodes[0];
}

#endif
