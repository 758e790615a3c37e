# cmocka, for the unit tests; config.h is filled in from its own template.
# sources: cmocka
unpack cmocka
cd src-cmocka/src
sed -n -e '/HAVE__\|MSVC\|BIGENDIAN\|_IO_H\|DLFCN/d' \
	-e 's/\${WORDS_SIZEOF_VOID_P}/__SIZEOF_POINTER__/' -e '/\${/d' \
	-e 's/^#cmakedefine/#define/p' ../config.h.cmake >config.h
compile "-DHAVE_CONFIG_H -D_GNU_SOURCE -I. -I../include" cmocka.c
archive libcmocka.a
header ../include/cmocka.h
