# jansson; its two configuration headers are filled in from its own templates.
# sources: jansson
unpack jansson
cd src-jansson/src
sed -e '/WINDOWS/d' -e 's/^#cmakedefine/#define/' \
	-e 's/@JANSSON_INITIAL_HASHTABLE_ORDER@/3/' \
	../cmake/jansson_private_config.h.cmake >jansson_private_config.h
sed -e 's/^#cmakedefine/#define/' -e 's/@JSON_INLINE@/inline/' \
	-e 's/@JSON_INT_T@/long long/' -e 's/@JSON_STRTOINT@/strtoll/' \
	-e 's/@JSON_INTEGER_FORMAT@/"lld"/' -e 's/@JSON_HAVE_[A-Z_]*@/1/' \
	../cmake/jansson_config.h.cmake >jansson_config.h
compile "-DHAVE_CONFIG_H -D_GNU_SOURCE -I." ./*.c
archive libjansson.a
header jansson.h jansson_config.h
