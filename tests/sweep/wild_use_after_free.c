// The error path frees the list's head and then goes through the list: the allocator has written to the link.
// expect: wild-access
// expect: clean-error
// expect site: count
// expect failed: push
#include "parts/say.h"

struct link {
    struct link *next;
    char room[40];
};

static struct link *head;

static APART int push(void) {
    struct link *link = malloc(sizeof *link);
    if (link == NULL) {
        free(head);
        return -1;
    }
    link->next = head;
    head = link;
    return 0;
}

static APART int count(void) {
    int links = 0;
    for (struct link *link = head; link != NULL; link = link->next) {
        links++;
    }
    return links;
}

int main(void) {
    if (push() != 0) {
        return sorry();
    }
    if (push() != 0) {
        return sorry() + count();
    }
    say(1, count() == 2 ? "2 links\n" : "?\n");
    for (struct link *link = head; link != NULL; link = head) {
        head = link->next;
        free(link);
    }
    return 0;
}
