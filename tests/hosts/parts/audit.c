// The smallest library of LD_AUDIT: it hears of every object and symbol, and allocates.
#define _GNU_SOURCE
#include <link.h>
#include <stdlib.h>
unsigned la_version(unsigned version) { return version; }
unsigned la_objopen(struct link_map *map, Lmid_t space, uintptr_t *cookie) { (void)map; (void)space; (void)cookie; free(malloc(50)); return LA_FLG_BINDTO | LA_FLG_BINDFROM; }
