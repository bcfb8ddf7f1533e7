/* bench.c - witan bench: the verb, its flags, and which of its three parts is meant. */
#include "bench.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool bench_number(const struct call *c, enum bench_flag f, uint64_t min, uint64_t max,
                  uint64_t otherwise, uint64_t *out)
{
        const char *text = c->flag[f];
        char *end;

        if (text == NULL) {
                *out = otherwise;
                return true;
        }
        errno = 0;
        *out = strtoull(text, &end, 10);
        if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *out >= min &&
            *out <= max)
                return true;
        wt_fail(WT_EINVAL, "--%s is \"%s\"; it takes a number from %llu to %llu",
                c->verb->flags[f].name, text, (unsigned long long)min, (unsigned long long)max);
        return false;
}

static int run(struct call *c)
{
        const struct sub *s = verb_sub(c);

        if (s == NULL)
                return EXIT_USAGE;
        return strcmp(s->name, "make-model") == 0 ? bench_make_model(c)
               : strcmp(s->name, "offline") == 0  ? bench_offline(c)
                                                  : bench_online(c);
}

static const enum wt_set sets[] = { WT_SET_state, WT_SET_config, WT_SET_model, WT_SET_threads,
                                    WT_SET_cacert, WT_SET_tls_name, N_WT_SETTINGS };

const struct verb verb_bench = {
        .name = "bench",
        .about = "makes random models; measures phases against the machine, clients against a "
                 "cluster",
        .usage = "witan bench make-model DIR | offline [--model DIR] | online [--state DIR | --url "
                 "URL --key-file FILE]",
        .example = "witan bench make-model random && witan bench offline --model random",
        .text = "make-model writes a folder in the shape of DeepSeek-V3 with random BF16 weights. "
                "Without --shape it is the one of docs/benchmarks.\n\n"
                "offline drives the model stage by stage in this process, and a router with two "
                "workers over the in-process bus and over ZeroMQ. Each phase is held against the "
                "larger of its bytes over the machine's rate of reading and its multiply-adds over "
                "the machine's own peak, both measured in the same rounds. --profile writes a "
                "trace that Perfetto opens; times are longer then.\n\n"
                "online asks the running cluster of the state folder for streamed answers, over "
                "http or https; with --url any server of OpenAI's API that takes prompts of token "
                "ids, whose memory cannot be looked at, though.",
        .subs = {
                { "make-model", "DIR", "a model folder of any shape with random weights" },
                { "offline", "", "phases against what this machine can read and multiply" },
                { "online", "", "clients against the running cluster's HTTP" },
        },
        .flags = {
                [BF_SHAPE] = { .name = "shape", .value = "KEY=N,...",
                               .help = "make-model: hidden, layers, experts, ... (2048, 4, 32)" },
                [BF_ROUTING] = { .name = "routing", .value = "HOW",
                                 .help = "make-model: how picks are spread: uniform, or zipf:S" },
                [BF_SEED] = { .name = "seed", .value = "N",
                              .help = "make-model: of all random numbers (1)" },
                [BF_SHARD_BYTES] = { .name = "shard-bytes", .value = "N",
                                     .help = "make-model: of a file; 0: one file (4 GiB)" },
                [BF_TOKENIZER] = { .name = "tokenizer", .value = "DIR",
                                   .help = "make-model: whose tokenizer to copy (one of bytes)" },
                [BF_OUT] = { .name = "out", .value = "DIR",
                             .help = "offline, online: where JSON and SVG files go (nowhere)" },
                [BF_ROUNDS] = { .name = "rounds", .value = "N",
                                .help = "offline: rounds whose median is told (9)" },
                [BF_PROFILE] = { .name = "profile", .value = "FILE",
                                 .help = "offline: a trace of stages and kernels" },
                [BF_ONLY] = { .name = "only", .value = "phases|all",
                              .help = "offline: leave out the bus" },
                [BF_CLIENTS] = { .name = "clients", .value = "N,...",
                                 .help = "online: clients at a time (1,4,16,32)" },
                [BF_RATE] = { .name = "rate", .value = "R",
                              .help = "online: requests a second, a Poisson stream" },
                [BF_REQUESTS] = { .name = "requests", .value = "N",
                                  .help = "online: for each number of clients (4 each)" },
                [BF_PROMPT_TOKENS] = { .name = "prompt-tokens", .value = "N",
                                       .help = "online: of a prompt (97; with --streams 8)" },
                [BF_TOKENS] = { .name = "tokens", .value = "N",
                                .help = "online: of an answer (64; with --streams 56)" },
                [BF_STREAMS] = { .name = "streams", .value = "N",
                                 .help = "online: open so many streams at once; memory, fairness" },
                [BF_URL] = { .name = "url", .value = "URL",
                             .help = "online: a server elsewhere, http(s)://HOST:PORT; its first "
                                     "model is asked" },
                [BF_KEY_FILE] = { .name = "key-file", .value = "FILE",
                                  .help = "online: with --url: the file of the key" },
        },
        .sets = sets,
        .run = run,
};
