// case: allocations that libc makes for its caller
// planted: yes

#include "parts/host.h"
#include <dirent.h>
#include <netdb.h>
#include <wchar.h>
#include <glob.h>
#include <regex.h>
#include <locale.h>
int main(void) {
    for (int i = 0; i < 20; i++) {
        char *line = 0; size_t n = 0; FILE *f = fopen("/proc/self/status", "r"); CHECK(f); while (getline(&line, &n, f) > 0) {} rewind(f); CHECK(getdelim(&line, &n, ':', f) > 0); fclose(f); free(line);
        CHECK(asprintf(&line, "%0*d", 5000, i) == 5000); free(line); line = strndup("abcdef", 3); CHECK(!strcmp(line, "abc")); free(line);
        DIR *d = opendir("/"); CHECK(d); while (readdir(d)) {} closedir(d);
        struct dirent **list; int count = scandir("/", &list, 0, alphasort); CHECK(count > 0); while (count--) free(list[count]); free(list);
        struct addrinfo *a, hint = {.ai_flags = AI_NUMERICHOST}; CHECK(!getaddrinfo("127.0.0.1", "80", &hint, &a)); freeaddrinfo(a);
        char *where = getcwd(0, 0); CHECK(where); free(where); where = realpath("/proc/self/..", 0); CHECK(where && !strcmp(where, "/proc")); free(where);
        glob_t g; CHECK(!glob("/*", 0, 0, &g)); globfree(&g); regex_t r; CHECK(!regcomp(&r, "(a|b)*c", REG_EXTENDED)); regfree(&r);
        char *text; size_t size; f = open_memstream(&text, &size); fprintf(f, "%1000d", i); fclose(f); CHECK(size == 1000); free(text);
        locale_t l = newlocale(LC_ALL_MASK, "C", 0); freelocale(l); f = popen("echo x", "r"); CHECK(f && fgetc(f) == 'x'); pclose(f);
        setenv("A", "b", 1); qsort(&i, 1, 4, (int (*)(const void *, const void *))strcmp);
    }
    planted(); return ok();
}
