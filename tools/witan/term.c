/* term.c - see term.h. */
#include "term.h"
#include <string.h>
#include <unistd.h>

static const char *value_of(char *const *envp, const char *name)
{
        size_t n = strlen(name);

        for (; *envp != NULL; envp++)
                if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
                        return *envp + n + 1;
        return "";
}

bool term_colours(FILE *to, char *const *envp)
{
        return isatty(fileno(to)) == 1 && value_of(envp, "NO_COLOR")[0] == '\0' &&
               strcmp(value_of(envp, "TERM"), "dumb") != 0;
}

const char *term_begin(bool on, enum term_colour c)
{
        static const char *const sequence[] = { [TERM_PLAIN] = "", [TERM_RED] = "\033[31m",
                [TERM_YELLOW] = "\033[33m", [TERM_GREEN] = "\033[32m", [TERM_BLUE] = "\033[34m",
                [TERM_DIM] = "\033[2m", [TERM_BOLD] = "\033[1m" };

        return on ? sequence[c] : "";
}

const char *term_end(bool on)
{
        return on ? "\033[0m" : "";
}
