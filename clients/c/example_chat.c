/* example_chat.c - asks a question over RPC and prints the answer as it comes:
 *   cc example_chat.c $(pkg-config --cflags --libs witan-client) -o example_chat
 *   ./example_chat CLIENT_FILE "Who are you?" */
#include <stdio.h>
#include <witan/client.h>

static int print(void *arg, uint32_t choice, const char *text, size_t len)
{
        (void)arg; (void)choice;
        fwrite(text, 1, len, stdout);
        return fflush(stdout);                   /* not 0: nobody reads; the call is cancelled */
}

int main(int argc, char **argv)
{
        struct witan_ask ask = { .text = argc == 3 ? argv[2] : "", .more = "\"temperature\":0" };
        struct witan_answer answer;
        witan_client *c;
        char words[512] = "usage: example_chat CLIENT_FILE QUESTION";
        int status;

        if (argc != 3 || witan_open(&c, argv[1], words) != WITAN_OK)
                return fprintf(stderr, "%s\n", words), 2;
        status = witan_chat(c, &ask, print, NULL, &answer);
        if (status != WITAN_OK)
                fprintf(stderr, "%s: %s\n", witan_status_name(status), witan_words(c));
        else
                printf("\n%llu tokens\n", (unsigned long long)answer.completion_tokens);
        witan_close(c);
        return status != WITAN_OK;
}
