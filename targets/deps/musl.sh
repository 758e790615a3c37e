# musl as the archive carries it for $CPU, and bin/musl-cc: $MUSL_CC told to use
# it and, of the system's headers, the kernel's alone.  The pair works from
# wherever it is copied to.
# sources: musl-$CPU
unpack "musl-$CPU"
specs=$(echo "src-musl-$CPU"/usr/lib/*-linux-musl/musl-gcc.specs)
triplet=${specs%/*}
triplet=${triplet##*/}
mkdir "$prefix/bin" "$prefix/musl"
cp -R "src-musl-$CPU/usr/include/$triplet" "$prefix/musl/include"
cp -R "src-musl-$CPU/usr/lib/$triplet" "$prefix/musl/lib"
sed -e "s,/usr/include/$triplet,%:getenv(MUSL_HOME /include),g" \
	-e "s,/usr/lib/$triplet\\(/[^ }]*\\)\\?,%:getenv(MUSL_HOME /lib\\1),g" \
	"$specs" >"$prefix/musl/lib/musl-gcc.specs"

# A cross compiler has the kernel's headers in its own place.
machine=$($MUSL_CC -dumpmachine)
for d in linux asm asm-generic; do
	for at in "/usr/$machine/include" "/usr/include/$machine" /usr/include; do
		if [ -d "$at/$d" ]; then
			mkdir -p "$prefix/musl/kernel"
			ln -s "$at/$d" "$prefix/musl/kernel/$d"
			break
		fi
	done
done

cat >"$prefix/bin/musl-cc" <<END
#!/bin/sh
MUSL_HOME=\$(dirname "\$(dirname "\$0")")/musl
export MUSL_HOME
exec $MUSL_CC -specs "\$MUSL_HOME/lib/musl-gcc.specs" \\
	"\$@" -idirafter "\$MUSL_HOME/kernel"
END
chmod +x "$prefix/bin/musl-cc"
