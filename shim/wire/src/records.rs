//! Records: structs of cells whose size is written beside them.

macro_rules! records {
    ($($(#[$doc:meta])* pub struct $name:ident = $bytes:literal { $($(#[$field_doc:meta])* pub $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }
            // SAFETY: repr(C), only cells, and the assertions below show that there is no padding.
            unsafe impl $crate::map::Record for $name {}
            const _: () = assert!(size_of::<$name>() == $bytes);
            const _: () = assert!(0 $(+ size_of::<$ty>())* == $bytes);
        )*
    };
}

pub(crate) use records;
