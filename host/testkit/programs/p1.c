/* A small program from another toolchain: C, built by clang and wasi-libc into a WASI 0.1 core module.
 *
 *   p1 INPUT OUTPUT CODE
 *
 * Prints its arguments and $GREETING, counts bytes, words and lines of stdin and of the file INPUT, writes the
 * INPUT's lines in reverse order to OUTPUT, says on stderr how many there were, and ends with exit code CODE.
 * Ends with 2 on wrong use and with 3, naming the file and the reason, when a file cannot be opened or written. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct counts {
    size_t bytes, words, lines;
};

/* Adds what FROM holds to COUNTS, and returns its bytes (NUL-terminated; the caller frees them). */
static char *read_all(FILE *from, struct counts *counts) {
    size_t room = 4096, used = 0, got;
    char *text = malloc(room + 1);
    while (text != NULL && (got = fread(text + used, 1, room - used, from)) > 0) {
        used += got;
        if (used == room) {
            room *= 2;
            text = realloc(text, room + 1);
        }
    }
    if (text == NULL) {
        fputs("p1: out of memory\n", stderr);
        exit(3);
    }
    text[used] = '\0';
    counts->bytes = used;
    for (size_t i = 0; i < used; i++) {
        int starts_word = i == 0 || isspace((unsigned char)text[i - 1]);
        counts->words += starts_word && !isspace((unsigned char)text[i]);
        counts->lines += text[i] == '\n';
    }
    return text;
}

static void print_counts(const char *name, const struct counts *counts) {
    printf("%s: %zu bytes, %zu words, %zu lines\n", name, counts->bytes, counts->words, counts->lines);
}

/* Writes the lines of TEXT in reverse order and returns how many there were. */
static size_t write_reversed(FILE *to, char *text) {
    if (*text == '\0')
        return 0;
    char *end = text + strlen(text);
    if (end[-1] == '\n')
        *--end = '\0';
    for (size_t lines = 1;; lines++) {
        char *start = end;
        while (start > text && start[-1] != '\n')
            start--;
        fprintf(to, "%s\n", start);
        if (start == text)
            return lines;
        end = start - 1;
        *end = '\0';
    }
}

static FILE *open_or_exit(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        fprintf(stderr, "p1: %s: %s\n", path, strerror(errno));
        exit(3);
    }
    return file;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s INPUT OUTPUT CODE\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < argc; i++)
        printf("arg %d: %s\n", i, argv[i]);
    const char *greeting = getenv("GREETING");
    printf("greeting: %s\n", greeting != NULL ? greeting : "(not set)");

    struct counts from_stdin = {0}, from_file = {0};
    free(read_all(stdin, &from_stdin));
    print_counts("stdin", &from_stdin);

    FILE *input = open_or_exit(argv[1], "r");
    char *text = read_all(input, &from_file);
    fclose(input);
    print_counts(argv[1], &from_file);

    FILE *output = open_or_exit(argv[2], "w");
    size_t lines = write_reversed(output, text);
    free(text);
    if (fclose(output) != 0) {
        fprintf(stderr, "p1: %s: %s\n", argv[2], strerror(errno));
        return 3;
    }
    fprintf(stderr, "%zu lines reversed\n", lines);
    return atoi(argv[3]);
}
