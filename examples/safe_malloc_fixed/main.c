// The client of ../safe_malloc without its defects: every failure is an error with a message, or is done without.
//
// sources: main.c fatal.c peers.c session.c signalling.c ../safe_malloc/safe_malloc.c ../safe_malloc/transport.c
// flags: -pthread -I../safe_malloc
//
// build: -DOOM_RETURNS_NULL
//
// build: -DOOM_FATAL
#include "../safe_malloc/main.c"
